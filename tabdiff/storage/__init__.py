"""Models as directories: `model.json` and `weights.safetensors`, which hold data, never code.

packing    any plain value, array and registered dataclass as JSON and tensors, and back
scalars    values of the standard library and NumPy, and how each is written
names      what a file may name
writing, reading, fields   the two directions; whether values fit the fields of a dataclass
directory  the two files: written whole or not at all, and checked before they are believed
registry   the classes and functions that a model consists of
models     learned tables
"""
