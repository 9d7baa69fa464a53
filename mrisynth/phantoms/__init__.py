"""Head phantoms: scans that are drawn, of nobody.

`anatomy` draws the parameters of a head, `structures` evaluates the shapes that follow from them, `tissues`
says what each voxel consists of, `contrast` how bright that is, `scanner` acquires it, and `dataset` writes
the files. Each module imports only those before it.
"""
