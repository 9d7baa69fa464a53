"""Head phantoms: scans that are drawn, of nobody.

`anatomy` draws the parameters of a head, `structures` evaluates the shapes that follow from them, `tissues`
says what each voxel consists of, `contrast` how bright that is, `scanner` acquires it, `mark` says in a file
that it is a phantom, and `dataset` writes the files. Each module imports only those before it.
"""
