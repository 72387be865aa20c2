/* Expand the levels of a sweep in C, and compare containers. `in_python.py` does the same, and the tests hold both to
 * each other.
 *
 * Only the stable interface is used (abi3 from 3.10), so one build serves all versions. While a level is expanded no
 * code of the program runs and no other thread: the lock of the interpreter is held, the collector is off, and `tp_traverse`
 * calls only the visitor, which allocates nothing. So the borrowed references in the buffer stay valid.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PROTOCOL 5 /* as in choice.py */

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* -- a set of addresses ----------------------------------------------------------------------------------------------
 * An open-addressing table of pages of the memory, with a bit for each place where an object may begin. Objects lie
 * close together, so this takes some 4 bytes an object, and most of it fits into the processor's cache.
 */

#define PAGE_BITS 12
#define GRAIN_BITS (sizeof(void *) == 8 ? 3 : 2)
#define WORDS (((size_t)1 << (PAGE_BITS - GRAIN_BITS)) / 64)
#define SMALLEST 64

#define KEY(address) (((address) >> PAGE_BITS) + 1) /* 0 is a free place */
#define WORD(address) (((address) >> (GRAIN_BITS + 6)) & (WORDS - 1))
#define BIT(address) (UINT64_C(1) << (((address) >> GRAIN_BITS) & 63))
#define IS_ALIGNED(address) (((address) & (((uintptr_t)1 << GRAIN_BITS) - 1)) == 0)

typedef struct {
    PyObject_HEAD
    uintptr_t *keys;
    uint64_t *pages; /* WORDS for each key */
    size_t size;     /* a power of two */
    size_t used;
    Py_ssize_t count;
} Addresses;

static inline size_t
place_of(const Addresses *set, uintptr_t key)
{
    size_t place = (size_t)(((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (set->size - 1);
    while (set->keys[place] != 0 && set->keys[place] != key) {
        place = (place + 1) & (set->size - 1);
    }
    return place;
}

static int
resize(Addresses *set, size_t size)
{
    Addresses other = *set;
    other.size = size;
    other.keys = PyMem_Calloc(size, sizeof(uintptr_t));
    other.pages = PyMem_Calloc(size, WORDS * sizeof(uint64_t));
    if (other.keys == NULL || other.pages == NULL) {
        PyMem_Free(other.keys);
        PyMem_Free(other.pages);
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < set->size; i++) {
        if (set->keys[i] != 0) {
            size_t place = place_of(&other, set->keys[i]);
            other.keys[place] = set->keys[i];
            memcpy(other.pages + place * WORDS, set->pages + i * WORDS, WORDS * sizeof(uint64_t));
        }
    }
    PyMem_Free(set->keys);
    PyMem_Free(set->pages);
    *set = other;
    return 0;
}

static inline uint64_t *
word_of(const Addresses *set, uintptr_t address)
{
    size_t place = place_of(set, KEY(address));
    return set->keys[place] == 0 ? NULL : set->pages + place * WORDS + WORD(address);
}

static inline int
contains(const Addresses *set, uintptr_t address)
{
    const uint64_t *word = word_of(set, address);
    return word != NULL && (*word & BIT(address)) != 0;
}

/* 1 if the address is new, 0 if not, -1 with an exception without memory. */
static inline int
add(Addresses *set, uintptr_t address)
{
    uintptr_t key = KEY(address);
    size_t place = place_of(set, key);
    if (set->keys[place] == 0) {
        if (3 * (set->used + 1) > 2 * set->size) {
            if (resize(set, 2 * set->size) < 0) {
                return -1;
            }
            place = place_of(set, key);
        }
        set->keys[place] = key;
        set->used++;
    }
    uint64_t *word = set->pages + place * WORDS + WORD(address);
    if (*word & BIT(address)) {
        return 0;
    }
    *word |= BIT(address);
    set->count++;
    return 1;
}

static void
discard(Addresses *set, uintptr_t address)
{
    uint64_t *word = word_of(set, address);
    if (word != NULL && (*word & BIT(address))) {
        *word &= ~BIT(address);
        set->count--;
    }
}

static int
as_address(PyObject *number, uintptr_t *address)
{
    void *pointer = PyLong_AsVoidPtr(number);
    if (pointer == NULL && PyErr_Occurred()) {
        return -1;
    }
    *address = (uintptr_t)pointer;
    return 0;
}

/* -1 with an exception if something is no address of an object. */
static int
change(Addresses *set, PyObject *number, int is_adding)
{
    uintptr_t address;
    if (as_address(number, &address) < 0) {
        return -1;
    }
    if (!IS_ALIGNED(address)) {
        PyErr_SetString(PyExc_ValueError, "no object has this id");
        return -1;
    }
    if (is_adding) {
        return add(set, address) < 0 ? -1 : 0;
    }
    discard(set, address);
    return 0;
}

static int
change_all(Addresses *set, PyObject *ids, int is_adding)
{
    PyObject *iterator = PyObject_GetIter(ids);
    if (iterator == NULL) {
        return -1;
    }
    int status = 0;
    PyObject *number;
    while (status == 0 && (number = PyIter_Next(iterator)) != NULL) {
        status = change(set, number, is_adding);
        Py_DECREF(number);
    }
    Py_DECREF(iterator);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

static PyObject *
addresses_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *ids = NULL;
    if (kwargs != NULL && PyDict_Size(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Addresses() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "Addresses", 0, 1, &ids)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Addresses *set = (Addresses *)allocate(type, 0);
    if (set != NULL && (resize(set, SMALLEST) < 0 || (ids != NULL && change_all(set, ids, 1) < 0))) {
        Py_DECREF(set);
        return NULL;
    }
    return (PyObject *)set;
}

static void
addresses_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(((Addresses *)self)->keys);
    PyMem_Free(((Addresses *)self)->pages);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static int
addresses_contains(PyObject *self, PyObject *number)
{
    uintptr_t address;
    if (as_address(number, &address) < 0) {
        return -1;
    }
    return IS_ALIGNED(address) && contains((Addresses *)self, address);
}

static Py_ssize_t
addresses_len(PyObject *self)
{
    return ((Addresses *)self)->count;
}

static PyObject *
addresses_add(PyObject *self, PyObject *number)
{
    return change((Addresses *)self, number, 1) < 0 ? NULL : Py_BuildValue("");
}

static PyObject *
addresses_update(PyObject *self, PyObject *ids)
{
    return change_all((Addresses *)self, ids, 1) < 0 ? NULL : Py_BuildValue("");
}

static PyObject *
addresses_difference_update(PyObject *self, PyObject *ids)
{
    return change_all((Addresses *)self, ids, 0) < 0 ? NULL : Py_BuildValue("");
}

static PyObject *
addresses_sizeof(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    size_t size = ((Addresses *)self)->size;
    return PyLong_FromSize_t(sizeof(Addresses) + size * (sizeof(uintptr_t) + WORDS * sizeof(uint64_t)));
}

static PyMethodDef addresses_methods[] = {
    {"add", addresses_add, METH_O, NULL},
    {"update", addresses_update, METH_O, NULL},
    {"difference_update", addresses_difference_update, METH_O, NULL},
    {"__sizeof__", addresses_sizeof, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot addresses_slots[] = {
    {Py_tp_doc, "Ids of objects."},
    {Py_tp_new, addresses_new},
    {Py_tp_dealloc, addresses_dealloc},
    {Py_sq_contains, addresses_contains},
    {Py_sq_length, addresses_len},
    {Py_tp_methods, addresses_methods},
    {0, NULL},
};

static PyType_Spec addresses_spec = {
    .name = "pytest_reloadleak.heap.levels._native.Addresses",
    .basicsize = sizeof(Addresses),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = addresses_slots,
};

/* -- what an object refers to ------------------------------------------------------------------------------------- */

typedef struct {
    PyObject **items; /* borrowed */
    size_t used, size;
    int is_short;
} Children;

static int
visit(PyObject *child, void *argument)
{
    Children *children = argument;
    if (children->used == children->size) {
        children->is_short = 1;
        return 1;
    }
    children->items[children->used++] = child;
    return 0;
}

typedef struct {
    PyTypeObject *type;
    traverseproc traverse; /* NULL if its instances are not for the collector */
    inquiry is_gc;
} Kind;

#define KINDS 256

static const Kind *
kind_of(Kind *kinds, PyTypeObject *type)
{
    Kind *kind = &kinds[((uintptr_t)type >> 5) % KINDS];
    if (kind->type != type) {
        int has_gc = (PyType_GetFlags(type) & Py_TPFLAGS_HAVE_GC) != 0;
        kind->type = type;
        kind->traverse = has_gc ? (traverseproc)PyType_GetSlot(type, Py_tp_traverse) : NULL;
        kind->is_gc = has_gc ? (inquiry)PyType_GetSlot(type, Py_tp_is_gc) : NULL;
    }
    return kind;
}

/* Add what an object refers to, as `gc.get_referents` does; -1 with an exception without memory. */
static int
add_children(Children *children, Kind *kinds, PyObject *o)
{
    const Kind *kind = kind_of(kinds, Py_TYPE(o));
    if (kind->traverse == NULL || (kind->is_gc != NULL && !kind->is_gc(o))) {
        return 0;
    }
    size_t before = children->used;
    for (;;) {
        kind->traverse(o, visit, children); /* some types do not pass on what the visitor returns */
        if (!children->is_short) {
            return 0;
        }
        size_t size = 4 * children->size;
        PyObject **items = PyMem_Realloc(children->items, size * sizeof(PyObject *));
        if (items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        *children = (Children){items, before, size, 0};
    }
}

/* -- one level ----------------------------------------------------------------------------------------------------- */

#define ROOM 4096 /* children of a slice, before the buffer must grow */
#define AHEAD 12  /* how many objects before their turn the processor is asked to load them */
#define HEAD 16   /* bytes before an object in which the collector notes whether it tracks it */

typedef struct {
    PyObject *below, *starts, *hits; /* what is returned */
    Addresses *seen;
    const Addresses *sinks;
    int has_untracked;
} Expansion;

static int
add_number(PyObject *list, Py_ssize_t value)
{
    PyObject *number = PyLong_FromSsize_t(value);
    int status = number == NULL ? -1 : PyList_Append(list, number);
    Py_XDECREF(number);
    return status;
}

static int
add_hit(PyObject *hits, Py_ssize_t at, PyObject *sink)
{
    int status = -1;
    PyObject *key = PyLong_FromSsize_t(at), *id = PyLong_FromVoidPtr(sink), *ids = NULL;
    if (key != NULL && id != NULL) {
        ids = PyDict_GetItemWithError(hits, key);
        Py_XINCREF(ids);
        if (ids == NULL && !PyErr_Occurred() && (ids = PySet_New(NULL)) != NULL
            && PyDict_SetItem(hits, key, ids) < 0) {
            Py_CLEAR(ids);
        }
        status = ids == NULL ? -1 : PySet_Add(ids, id);
    }
    Py_XDECREF(key);
    Py_XDECREF(id);
    Py_XDECREF(ids);
    return status;
}

static int
enter(Expansion *expansion, const Children *children, Py_ssize_t at)
{
    for (size_t i = 0; i < children->used; i++) {
        if (i + AHEAD < children->used) {
            PREFETCH((const char *)children->items[i + AHEAD] - HEAD);
        }
        PyObject *o = children->items[i];
        uintptr_t address = (uintptr_t)o;
        int is_sink = contains(expansion->sinks, address);
        int is_followed = PyObject_GC_IsTracked(o)
            || (expansion->has_untracked && (is_sink || PyTuple_CheckExact(o) || PyDict_CheckExact(o)));
        if (!is_followed) {
            continue;
        }
        if (is_sink) {
            if (!contains(expansion->seen, address) && add_hit(expansion->hits, at, o) < 0) {
                return -1;
            }
            continue;
        }
        int is_new = add(expansion->seen, address);
        if (is_new < 0 || (is_new && PyList_Append(expansion->below, o) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int
expand_all(Expansion *expansion, PyObject *level, Py_ssize_t slice_size, Children *children)
{
    Kind kinds[KINDS];
    memset(kinds, 0, sizeof(kinds));
    Py_ssize_t size = PyList_Size(level);
    for (Py_ssize_t at = 0; at < size; at += slice_size) {
        if (add_number(expansion->starts, PyList_Size(expansion->below)) < 0) {
            return -1;
        }
        Py_ssize_t end = size - at < slice_size ? size : at + slice_size;
        children->used = 0;
        for (Py_ssize_t i = at; i < end; i++) {
            if (i + AHEAD < size) {
                PREFETCH(PyList_GetItem(level, i + AHEAD));
            }
            if (add_children(children, kinds, PyList_GetItem(level, i)) < 0) {
                return -1;
            }
        }
        if (enter(expansion, children, at) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
expand(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"level", "slice_size", "seen", "sinks", "has_untracked", NULL};
    PyObject *type = *(PyObject **)PyModule_GetState(module);
    PyObject *level, *seen, *sinks;
    Py_ssize_t slice_size;
    int has_untracked;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!nO!O!$p", names, &PyList_Type, &level, &slice_size, type, &seen,
                                     type, &sinks, &has_untracked)) {
        return NULL;
    }
    if (slice_size < 1) {
        PyErr_SetString(PyExc_ValueError, "a slice has at least one object");
        return NULL;
    }
    Children children = {PyMem_Malloc(ROOM * sizeof(PyObject *)), 0, ROOM, 0};
    Expansion expansion = {PyList_New(0), PyList_New(0), PyDict_New(), (Addresses *)seen, (Addresses *)sinks,
                           has_untracked};
    PyObject *result = NULL;
    if (children.items == NULL) {
        PyErr_NoMemory();
    } else if (expansion.below != NULL && expansion.starts != NULL && expansion.hits != NULL
               && expand_all(&expansion, level, slice_size, &children) == 0) {
        result = PyTuple_Pack(3, expansion.below, expansion.starts, expansion.hits);
    }
    PyMem_Free(children.items);
    Py_XDECREF(expansion.below);
    Py_XDECREF(expansion.starts);
    Py_XDECREF(expansion.hits);
    return result;
}

static PyObject *
positions(PyObject *module, PyObject *args)
{
    PyObject *type = *(PyObject **)PyModule_GetState(module);
    PyObject *objects, *wanted, *found;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &objects, type, &wanted) || (found = PyList_New(0)) == NULL) {
        return NULL;
    }
    Py_ssize_t size = ((Addresses *)wanted)->count == 0 ? 0 : PyList_Size(objects);
    for (Py_ssize_t i = 0; i < size; i++) {
        if (contains((Addresses *)wanted, (uintptr_t)PyList_GetItem(objects, i)) && add_number(found, i) < 0) {
            Py_CLEAR(found);
            break;
        }
    }
    return found;
}

static PyObject *
referring(PyObject *module, PyObject *args)
{
    PyObject *type = *(PyObject **)PyModule_GetState(module);
    PyObject *objects, *wanted, *found;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "O!nnO!", &PyList_Type, &objects, &start, &stop, type, &wanted)) {
        return NULL;
    }
    Children children = {PyMem_Malloc(ROOM * sizeof(PyObject *)), 0, ROOM, 0};
    if (children.items == NULL) {
        return PyErr_NoMemory();
    }
    Kind kinds[KINDS];
    memset(kinds, 0, sizeof(kinds));
    Py_ssize_t size = PyList_Size(objects);
    found = PyList_New(0);
    for (Py_ssize_t i = start < 0 ? 0 : start; found != NULL && i < size && i < stop; i++) {
        if (i + AHEAD < size) {
            PREFETCH(PyList_GetItem(objects, i + AHEAD));
        }
        children.used = 0;
        int status = add_children(&children, kinds, PyList_GetItem(objects, i));
        for (size_t at = 0; status == 0 && at < children.used; at++) {
            if (contains((Addresses *)wanted, (uintptr_t)children.items[at])) {
                status = add_number(found, i);
                break;
            }
        }
        if (status < 0) {
            Py_CLEAR(found);
        }
    }
    PyMem_Free(children.items);
    return found;
}

static PyObject *
of_types(PyObject *module, PyObject *args)
{
    PyObject *type = *(PyObject **)PyModule_GetState(module);
    PyObject *objects, *types, *found;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &objects, type, &types) || (found = PyList_New(0)) == NULL) {
        return NULL;
    }
    Py_ssize_t size = PyList_Size(objects);
    for (Py_ssize_t i = 0; i < size; i++) {
        if (i + AHEAD < size) {
            PREFETCH(PyList_GetItem(objects, i + AHEAD));
        }
        PyObject *o = PyList_GetItem(objects, i);
        if (contains((Addresses *)types, (uintptr_t)Py_TYPE(o)) && PyList_Append(found, o) < 0) {
            Py_CLEAR(found);
            break;
        }
    }
    return found;
}

typedef struct {
    PyTypeObject *type;
    Py_ssize_t first, count;
} Count;

static Count *
place_of_type(Count *counts, size_t size, PyTypeObject *type)
{
    size_t place = (size_t)(((uint64_t)(uintptr_t)type * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (size - 1);
    while (counts[place].type != NULL && counts[place].type != type) {
        place = (place + 1) & (size - 1);
    }
    return &counts[place];
}

static Count *
larger(Count *counts, size_t size)
{
    Count *found = PyMem_Calloc(2 * size, sizeof(Count));
    for (size_t i = 0; found != NULL && i < size; i++) {
        if (counts[i].type != NULL) {
            *place_of_type(found, 2 * size, counts[i].type) = counts[i];
        }
    }
    PyMem_Free(counts);
    return found;
}

static PyObject *
counted(PyObject *module, PyObject *args)
{
    PyObject *objects, *found = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &objects)) {
        return NULL;
    }
    size_t size = 1024, used = 0;
    Count *counts = PyMem_Calloc(size, sizeof(Count));
    Py_ssize_t end = PyList_Size(objects);
    for (Py_ssize_t i = 0; counts != NULL && i < end; i++) {
        if (i + AHEAD < end) {
            PREFETCH(PyList_GetItem(objects, i + AHEAD));
        }
        PyTypeObject *type = Py_TYPE(PyList_GetItem(objects, i));
        Count *count = place_of_type(counts, size, type);
        if (count->type == NULL) {
            *count = (Count){type, i, 0};
            used++;
        }
        count->count++;
        if (2 * used >= size) {
            counts = larger(counts, size);
            size *= 2;
        }
    }
    if (counts == NULL) {
        return PyErr_NoMemory();
    }
    found = PyDict_New();
    for (size_t i = 0; found != NULL && i < size; i++) {
        if (counts[i].type == NULL) {
            continue;
        }
        PyObject *first = PyLong_FromSsize_t(counts[i].first), *count = PyLong_FromSsize_t(counts[i].count);
        if (first == NULL || count == NULL || PyDict_SetItem(found, first, count) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(first);
        Py_XDECREF(count);
    }
    PyMem_Free(counts);
    return found;
}

/* Add the untracked ones of some types among what objects refer to, each once. */
static int
add_untracked(PyObject *found, Addresses *seen, PyObject *types, const Children *children)
{
    Py_ssize_t count = PyTuple_Size(types);
    for (size_t i = 0; i < children->used; i++) {
        if (i + AHEAD < children->used) {
            PREFETCH(children->items[i + AHEAD]);
        }
        PyObject *o = children->items[i];
        for (Py_ssize_t at = 0; at < count; at++) {
            if ((PyObject *)Py_TYPE(o) != PyTuple_GetItem(types, at)) {
                continue;
            }
            int is_new = PyObject_GC_IsTracked(o) ? 0 : add(seen, (uintptr_t)o);
            if (is_new < 0 || (is_new && PyList_Append(found, o) < 0)) {
                return -1;
            }
            break;
        }
    }
    return 0;
}

static PyObject *
untracked(PyObject *module, PyObject *args)
{
    PyObject *type = *(PyObject **)PyModule_GetState(module);
    PyObject *objects, *without, *types, *found = PyList_New(0), *seen = PyObject_CallNoArgs(type);
    Children children = {PyMem_Malloc(ROOM * sizeof(PyObject *)), 0, ROOM, 0};
    Kind kinds[KINDS];
    memset(kinds, 0, sizeof(kinds));
    int status = found == NULL || seen == NULL
        || !PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &objects, type, &without, &PyTuple_Type, &types) ? -1 : 0;
    if (status == 0 && children.items == NULL) {
        PyErr_NoMemory();
        status = -1;
    }
    Py_ssize_t size = status == 0 ? PyList_Size(objects) : 0;
    for (Py_ssize_t i = 0; status == 0 && i < size; i++) {
        if (i + AHEAD < size) {
            PREFETCH(PyList_GetItem(objects, i + AHEAD));
        }
        PyObject *o = PyList_GetItem(objects, i);
        if (contains((Addresses *)without, (uintptr_t)o)) {
            continue;
        }
        children.used = 0;
        status = add_children(&children, kinds, o);
        if (status == 0) {
            status = add_untracked(found, (Addresses *)seen, types, &children);
        }
    }
    /* A dict of atoms and buffers is untracked too. What is added here is no dict. */
    size = status == 0 ? PyList_Size(found) : 0;
    for (Py_ssize_t i = 0; status == 0 && i < size; i++) {
        PyObject *o = PyList_GetItem(found, i);
        children.used = 0;
        status = PyDict_CheckExact(o) ? add_children(&children, kinds, o) : 0;
        if (status == 0) {
            status = add_untracked(found, (Addresses *)seen, types, &children);
        }
    }
    PyMem_Free(children.items);
    Py_XDECREF(seen);
    if (status < 0) {
        Py_CLEAR(found);
    }
    return found;
}

static inline void
add_pair(uintptr_t *numbers, Py_ssize_t *used, PyObject *o)
{
    numbers[(*used)++] = (uintptr_t)o;
    numbers[(*used)++] = (uintptr_t)Py_TYPE(o);
}

static PyObject *
fingerprint(PyObject *module, PyObject *args)
{
    PyObject *container, *without = NULL, *key, *value, *found = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "O|O!", &container, &PyFrozenSet_Type, &without)) {
        return NULL;
    }
    int is_dict = PyDict_Check(container);
    if (!is_dict && !PyList_Check(container)) {
        PyErr_SetString(PyExc_TypeError, "a dict or a list is expected");
        return NULL;
    }
    Py_ssize_t size = is_dict ? PyDict_Size(container) : PyList_Size(container), used = 0, at = 0;
    uintptr_t *numbers = PyMem_Malloc(((size_t)size * 4 + 1) * sizeof(uintptr_t));
    if (numbers == NULL) {
        return PyErr_NoMemory();
    }
    int status = 0;
    if (is_dict) {
        while (status == 0 && PyDict_Next(container, &at, &key, &value)) {
            /* Only plain texts are looked up, so no code of the program runs. */
            int is_left_out = without != NULL && PyUnicode_CheckExact(key) ? PySet_Contains(without, key) : 0;
            status = is_left_out < 0 ? -1 : 0;
            if (is_left_out == 0) {
                add_pair(numbers, &used, key);
                add_pair(numbers, &used, value);
            }
        }
    } else {
        for (; at < size; at++) {
            add_pair(numbers, &used, PyList_GetItem(container, at));
        }
    }
    if (status == 0) {
        found = PyBytes_FromStringAndSize((const char *)numbers, used * (Py_ssize_t)sizeof(uintptr_t));
    }
    PyMem_Free(numbers);
    return found;
}

/* -- the module ---------------------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"expand", (PyCFunction)(void (*)(void))expand, METH_VARARGS | METH_KEYWORDS, "As in_python.expand()."},
    {"positions", positions, METH_VARARGS, "As in_python.positions()."},
    {"referring", referring, METH_VARARGS, "As in_python.referring()."},
    {"of_types", of_types, METH_VARARGS, "As in_python.of_types()."},
    {"counted", counted, METH_VARARGS, "As in_python.counted()."},
    {"untracked", untracked, METH_VARARGS, "As in_python.untracked()."},
    {"fingerprint", fingerprint, METH_VARARGS, "As in_python.fingerprint()."},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    PyObject **type = PyModule_GetState(module);
    *type = PyType_FromModuleAndSpec(module, &addresses_spec, NULL);
    if (*type == NULL || PyModule_AddType(module, (PyTypeObject *)*type) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "PROTOCOL", PROTOCOL);
}

static int
traverse(PyObject *module, visitproc visit_child, void *argument)
{
    PyObject **type = PyModule_GetState(module);
    return type != NULL && *type != NULL ? visit_child(*type, argument) : 0;
}

static int
clear(PyObject *module)
{
    PyObject **type = PyModule_GetState(module);
    if (type != NULL) {
        Py_CLEAR(*type);
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_size = sizeof(PyObject *),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
