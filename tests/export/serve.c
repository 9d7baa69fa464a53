/* Runs the signature serving_default of an exported generator as a server does: by the C API of TensorFlow.

   serve SAVED_MODEL INPUT OUTPUT COUNT LATENT_SIZE < latents > images

   INPUT and OUTPUT are the names of the signature's operations; latents and images are raw float32. */

#include <stdio.h>
#include <stdlib.h>

#include "tensorflow/c/c_api.h"

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

int main(int argc, char** argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: serve SAVED_MODEL INPUT OUTPUT COUNT LATENT_SIZE\n");
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

  TF_Output input = find(graph, argv[2]), output = find(graph, argv[3]);
  TF_Tensor* images = NULL;
  TF_SessionRun(session, NULL, &input, &latents, 1, &output, &images, 1, NULL, 0, NULL, status);
  check(status, "run");
  fwrite(TF_TensorData(images), 1, TF_TensorByteSize(images), stdout);

  TF_DeleteTensor(images);
  TF_DeleteTensor(latents);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
