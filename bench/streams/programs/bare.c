/* A floor: the functions of a chain of streams called in turn, and nothing else. What push() or a callback is given is handed to
 * the next function at once: no stream is under it, nothing is counted, nothing waits, no error is looked for.
 *
 * A Python extension, imported by the programs as `bare`. INVARIANT: one chain at a time (`held` is the module's).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *held; /* owned: the chunk on its way */

static void hold(PyObject *chunk) {
    Py_INCREF(chunk);
    Py_XSETREF(held, chunk);
}

static PyObject *push(PyObject *module, PyObject *chunk) {
    (void)module;
    hold(chunk);
    Py_RETURN_TRUE;
}

static PyObject *callback(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (count > 1) hold(args[1]);
    Py_RETURN_NONE;
}

static int call(PyObject *function, PyObject *const *args, size_t count) {
    PyObject *result = PyObject_Vectorcall(function, args, count, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int call_stage(PyObject *function, PyObject *encoding, PyObject *back) {
    PyObject *chunk = Py_NewRef(held), *args[] = {chunk, encoding, back};
    int failed = call(function, args, 3);
    Py_DECREF(chunk);
    return failed;
}

/* run(read, transform, stages, write, callback): until read pushes None. */
static PyObject *run(PyObject *module, PyObject *args) {
    PyObject *read, *transform, *write, *back;
    int stages;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOiOO", &read, &transform, &stages, &write, &back)) return NULL;
    PyObject *size = PyLong_FromLong(65536), *encoding = PyUnicode_FromString("buffer");
    int failed = !size || !encoding;
    while (!failed) {
        failed = call(read, &size, 1);
        if (failed || held == Py_None) break;
        for (int i = 0; i < stages && !failed; i++) failed = call_stage(transform, encoding, back);
        if (!failed && write != Py_None) failed = call_stage(write, encoding, back);
    }
    Py_XDECREF(size);
    Py_XDECREF(encoding);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"push", push, METH_O, NULL},
    {"callback", (PyCFunction)(void (*)(void))callback, METH_FASTCALL, NULL},
    {"run", run, METH_VARARGS, NULL},
    {0},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "bare", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_bare(void) { return PyModule_Create(&module); }
