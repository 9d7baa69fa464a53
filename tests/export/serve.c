/* Runs the signature serving_default of an exported generator as a server does: by the C API of TensorFlow.

   serve SAVED_MODEL INPUT OUTPUT COUNT LATENT_SIZE [LABEL VALUE]... < latents > images

   INPUT, OUTPUT and LABEL are the names of the signature's operations; latents and images are raw float32. VALUE
   is a number or a text, as the operation takes it, for all images. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tensor.h"

#define MOST_INPUTS 32

static void check(TF_Status* status, const char* what) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s: %s\n", what, TF_Message(status));
    exit(1);
  }
}

static TF_Output find(TF_Graph* graph, const char* name) {
  TF_Output output = {TF_GraphOperationByName(graph, name), 0};
  if (output.oper == NULL) {
    fprintf(stderr, "there is no operation %s\n", name);
    exit(1);
  }
  return output;
}

/* One number or text, of shape [1]. */
static TF_Tensor* one_value(TF_DataType type, const char* value) {
  const int64_t shape[] = {1};
  if (type == TF_FLOAT) {
    TF_Tensor* tensor = TF_AllocateTensor(TF_FLOAT, shape, 1, sizeof(float));
    *(float*)TF_TensorData(tensor) = strtof(value, NULL);
    return tensor;
  }
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, shape, 1, sizeof(TF_TString));
  TF_TString* text = TF_TensorData(tensor);
  TF_StringInit(text);
  TF_StringCopy(text, value, strlen(value));
  return tensor;
}

int main(int argc, char** argv) {
  if (argc < 6 || argc % 2 != 0 || (argc - 6) / 2 >= MOST_INPUTS) {
    fprintf(stderr, "usage: serve SAVED_MODEL INPUT OUTPUT COUNT LATENT_SIZE [LABEL VALUE]...\n");
    return 2;
  }
  const char* tags[] = {"serve"};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, "load");

  const int64_t shape[] = {atoll(argv[4]), atoll(argv[5])};
  TF_Tensor* latents = TF_AllocateTensor(TF_FLOAT, shape, 2, shape[0] * shape[1] * sizeof(float));
  if (fread(TF_TensorData(latents), 1, TF_TensorByteSize(latents), stdin) != TF_TensorByteSize(latents)) {
    fprintf(stderr, "too few latents\n");
    return 1;
  }

  TF_Output inputs[MOST_INPUTS] = {find(graph, argv[2])}, output = find(graph, argv[3]);
  TF_Tensor* values[MOST_INPUTS] = {latents};
  int count = 1;
  for (int label = 6; label < argc; label += 2, count++) {
    inputs[count] = find(graph, argv[label]);
    values[count] = one_value(TF_OperationOutputType(inputs[count]), argv[label + 1]);
  }
  TF_Tensor* images = NULL;
  TF_SessionRun(session, NULL, inputs, values, count, &output, &images, 1, NULL, 0, NULL, status);
  check(status, "run");
  fwrite(TF_TensorData(images), 1, TF_TensorByteSize(images), stdout);

  TF_DeleteTensor(images);
  for (int input = 0; input < count; input++) TF_DeleteTensor(values[input]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
