"""What Cython 3.3's module state lacks for interpreters that run at once, mended in the C files of own-GIL units.

Cython keeps the module state of every interpreter in one table of the process, and the tables of C methods, whose contents are
the same for all, in C variables. Both are right as long as one interpreter at a time imports or leaves a unit. Each entry of
REPAIRS says what happens otherwise; tests/integration/test_two_interpreters.py meets them, now and then. A Cython whose C code an
entry does not fit stops the build: look whether the repair is still needed. Not here: which units need it (setup.py).
"""

import re
from dataclasses import dataclass
from pathlib import Path

STATE = """\
/* The module state of this interpreter. While one interpreter alone has ever loaded the unit, it is in one variable; afterwards
   each thread remembers the last one that it asked for, until some interpreter loads or leaves the unit. */
static __pyx_mstatetype *treadle_only_state = NULL;
static unsigned treadle_loads = 0;      /* written under the table's lock */
static unsigned treadle_changes = 0;
static __thread struct { PyInterpreterState *interpreter; __pyx_mstatetype *state; unsigned changes; } treadle_last;

static __attribute__((noinline)) __pyx_mstatetype *treadle_find_state(void) {
  PyInterpreterState *interpreter = PyInterpreterState_Get();
  unsigned changes = __atomic_load_n(&treadle_changes, __ATOMIC_ACQUIRE);
  if (treadle_last.interpreter != interpreter || treadle_last.changes != changes) {
    PyObject *module = __Pyx_State_FindModule(NULL);
    if (!module) return NULL;       /* on its way out: nothing to remember */
    treadle_last.state = __Pyx_PyModule_GetState(module);
    treadle_last.interpreter = interpreter;
    treadle_last.changes = changes;
  }
  return treadle_last.state;
}

static inline __pyx_mstatetype *treadle_state(void) {
  __pyx_mstatetype *state = __atomic_load_n(&treadle_only_state, __ATOMIC_RELAXED);
  return likely(state) ? state : treadle_find_state();
}
#define __pyx_mstate_global (treadle_state())
"""
LOADED = """\
    __atomic_store_n(&treadle_only_state, treadle_loads++ ? NULL : __Pyx_PyModule_GetState(module), __ATOMIC_RELAXED);
"""
LEFT = """\
    __atomic_store_n(&treadle_only_state, NULL, __ATOMIC_RELAXED);
"""
CHANGED = """\
    __atomic_add_fetch(&treadle_changes, 1, __ATOMIC_RELEASE);
"""
LOCK_VTABLES = "#include <pthread.h>\nstatic pthread_mutex_t treadle_vtables_lock = PTHREAD_MUTEX_INITIALIZER;\n"
VTABLE = r"  (__pyx_vtabptr_(\w+)) = &__pyx_vtable_\2;\n((?:  __pyx_vtable_\2\..*;\n)*)"
SLOT = r"(?m)^ *__pyx_vtable_\w+\."


@dataclass(frozen=True)
class Repair:
    """One change of the C text. `pattern` occurs as often as `where`, the line that it belongs to; both regular expressions.

    is_everywhere: every unit has that line, once; else a unit may have no such thing, or several.
    """

    reason: str
    where: str
    pattern: str
    replacement: str
    is_everywhere: bool = True


REPAIRS = (
    Repair(
        "the lock that the next repair takes",
        r'#include "Python\.h"\n',
        r'#include "Python\.h"\n',
        r"\g<0>" + LOCK_VTABLES.replace("\\", r"\\"),
    ),
    Repair(
        "each import writes a class's C methods anew, its base class's first: an interpreter that runs meanwhile calls those",
        r"  __pyx_vtabptr_\w+ = &__pyx_vtable_",
        VTABLE,
        "  pthread_mutex_lock(&treadle_vtables_lock);\n  if (!\\1) {\n\\3  \\1 = &__pyx_vtable_\\2;\n  }\n"
        "  pthread_mutex_unlock(&treadle_vtables_lock);\n",
        is_everywhere=False,
    ),
    Repair(
        "each import sets the pointer to another unit's C methods to NULL before it looks for it",
        r"static int __Pyx_GetVtable\(.*\) {\n",
        r"    void\* ptr;\n    \*table = NULL;\n",
        "    void* ptr;\n",
        is_everywhere=False,
    ),
    Repair(
        "who is not in the table is looked for one entry behind its end, where one that has left may still stand",
        r"static PyObject \*__Pyx_State_FindModule\(.*\) {\n",
        r"(        found = __Pyx_State_FindModuleStateLookupTableLowerBound\(\n.*\n)(    }\n  end:\n)",
        r"\1        if (found == data->table + data->count) found = NULL;\n\2",
    ),
    Repair(
        "an interpreter leaves twice, as CPython clears a module more than once: the second time takes another's entry",
        r"static int __Pyx_State_RemoveModule\(.*\) {\n",
        r"        if \(!lower_bound\) goto done;\n",
        "        if (lower_bound == data->table + data->count) goto done;\n",
    ),
    Repair(
        "the second time there may be no table any more",
        r"static int __Pyx_State_RemoveModule\(.*\) {\n",
        r"    if \(data->interpreter_id_as_index\) {\n(?=.*\n            data->table\[interpreter_id\]\.module = NULL;\n)",
        r"    if (!data) goto done;\n\g<0>",
    ),
    Repair(
        "each look at the module state, five of them a callback, costs 75 instructions and two atomic writes",
        r"#define __pyx_mstate_global \(__Pyx_PyModule_GetState\(.*\n",
        r"#define __pyx_mstate_global \(__Pyx_PyModule_GetState\(__Pyx_State_FindModule\(&__pyx_moduledef\)\)\)\n",
        STATE,
    ),
    Repair(
        "what the previous repair remembers, when an interpreter loads the unit",
        r"static int __Pyx_State_AddModule\(.*\) {\n",
        r"(static int __Pyx_State_AddModule\(.*\) {\n(?:.*\n)*?    __Pyx_ModuleStateLookup_Lock\(\);\n)((?:.*\n)*?)"
        r"(    __Pyx_ModuleStateLookup_Unlock\(\);\n)",
        rf"\1{LOADED}\2{CHANGED}\3",
    ),
    Repair(
        "... and when one leaves it",
        r"static int __Pyx_State_RemoveModule\(.*\) {\n",
        r"(static int __Pyx_State_RemoveModule\(.*\) {\n(?:.*\n)*?    __Pyx_ModuleStateLookup_Lock\(\);\n)((?:.*\n)*?)"
        r"(    __Pyx_ModuleStateLookup_Unlock\(\);\n)",
        rf"\1{LEFT}\2{CHANGED}\3",
    ),
)


def mend(c_file: Path) -> None:
    """Applies every repair to one translated unit, once. Raises SystemExit if this Cython writes other C code."""
    text = c_file.read_text(encoding="utf-8")
    if LOCK_VTABLES in text:
        return
    if len(re.findall(SLOT, text)) != sum(table[3].count("\n") for table in re.finditer(VTABLE, text)):
        raise SystemExit(f"{c_file}: C methods are written elsewhere, too, than tools/own_gil.py looks for them")
    for repair in REPAIRS:
        wanted = 1 if repair.is_everywhere else len(re.findall(repair.where, text))
        text, mended = re.subn(repair.pattern, repair.replacement, text)
        if mended != wanted:
            raise SystemExit(f"{c_file}: {mended} of {wanted} places mended (tools/own_gil.py): {repair.reason}")
    c_file.write_text(text, encoding="utf-8")
