/* The compiled path of `filtering`: the same recursions as `recursions.py`, many batch members
 * at once in the lanes of the processor's vector registers.
 *
 *   problem(arrays, least_terms, keep) -> capsule    checks every shape and index, once
 *   run(problem, first, last, variant) -> float      members [first, last), without the GIL
 *   VARIANTS                                         instruction sets this processor has
 *
 * `compiled.py` is the only caller. Any thread may run any members of the same problem; the bits
 * of a member depend neither on the thread nor on the members beside it.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16          /* batch members in one block */
#define MOST_AT_ONCE 4    /* days evaluated at a time */
#define WIDEST 6          /* rows of a block, at most (graphs.py) */
#define MOST_DAYS 32      /* days in one step whose days in between are asked for */
#define RESOLUTION 128    /* entries per unit of Λt in the tables of terms */
#define PART_REACH 32.0   /* largest Λt of one part of a step */
#define SHIFT 1.5         /* how far a stay may be below 0, times the days of the step */
#define MOST_REACH 1e8    /* largest Λt of a step */
#define MOST_TERMS 256
#define MOST_ROWS (1 << 22)
#define TINY 1e-250       /* below this, conditioning is done again on a larger scale */
#define RESCALE 0x1p1000
#define LOG_RESCALE 693.14718055994530941723212145818
#define LEAST 1e-300      /* below this, on the larger scale, evidence is impossible */
#define LARGEST 1e200     /* of a backward variable; only states that cannot be reach it */

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

#if defined(_MSC_VER)
#define ALIGNED __declspec(align(64))
#define INLINE __forceinline
#define UNROLL
#elif defined(__clang__)
#define ALIGNED __attribute__((aligned(64)))
#define INLINE inline __attribute__((always_inline))
#define UNROLL _Pragma("unroll")
#else
#define ALIGNED __attribute__((aligned(64)))
#define INLINE inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Arrays of a problem, in the order in which they are given. B: batch, K: states. */
enum {
    START,           /* (K, B) */
    RATES,           /* (G, B) */
    MODULATOR,       /* (G,) */
    MULTIPLIERS,     /* (C, S, B or 1) */
    SEGMENT,         /* (D,) */
    KILLING,         /* (Z, K, B or 1) */
    KILLING_SEGMENT, /* (T,) */
    EVENT_DAY,       /* (E, B or 1) */
    EVENT_TABLE,     /* (E, B or 1) */
    TABLE,           /* (Y, K) */
    LIKELIHOOD,      /* (V, B or 1) */
    LOG_SCALE,       /* (Y, B or 1) */
    DAYS,            /* (B,) */
    HISTORY_STEPS,   /* (·, 2): first day, days */
    FORECAST_STEPS,  /* (·, 2) */
    HISTORY_TERMS,   /* terms by Λt */
    FORECAST_TERMS,
    ROW_FIRST,       /* (F+1,): marginal row f adds the states ROW_STATE[ROW_FIRST[f]:…[f+1]] */
    ROW_STATE,
    ROW_AHEAD,       /* the same with the rows of these states in the graph AHEAD */
    PLACE,           /* (P+1, K+1): rows of AHEAD: see graphs.side_by_side */
    GRAPH_ROWS,      /* (3, 2): rows and blocks of each graph */
    BLOCKS,          /* (·, 3): rows, shared edges, others of each row, of each graph's blocks */
    EDGE_RATE,       /* row: a rate, G + state its stay, G + K that of an absorbing state, or 0 */
    EDGE_FROM,
    LOGLIK,          /* (B,), and further outputs */
    INCREMENT,       /* (E, B) */
    IMPOSSIBLE,      /* (B,) */
    LAST,            /* (K, B) */
    FILTERED,        /* (T+1, F, B) */
    SMOOTHED,        /* (T+1, F, B) */
    FORECAST,        /* (H+1, F, B) */
    PASSAGE,         /* (H+1, P, B) */
    ARRAYS
};

static const struct {
    const char *name;
    char kind; /* 'd' double, 'i' int32 */
    int dimensions;
} SPECS[ARRAYS] = {
    {"start", 'd', 2}, {"rates", 'd', 2}, {"modulator", 'i', 1}, {"multipliers", 'd', 3},
    {"segment", 'i', 1}, {"killing", 'd', 3}, {"killing_segment", 'i', 1}, {"event_day", 'i', 2},
    {"event_table", 'i', 2}, {"table", 'i', 2}, {"likelihood", 'd', 2}, {"log_scale", 'd', 2},
    {"days", 'i', 1}, {"history_steps", 'i', 2}, {"forecast_steps", 'i', 2},
    {"history_terms", 'i', 1}, {"forecast_terms", 'i', 1}, {"row_first", 'i', 1},
    {"row_state", 'i', 1}, {"row_ahead", 'i', 1}, {"place", 'i', 2}, {"graph_rows", 'i', 2},
    {"blocks", 'i', 2}, {"edge_rate", 'i', 1}, {"edge_from", 'i', 1},
    {"loglik", 'd', 1}, {"increment", 'd', 2},
    {"impossible", 'i', 1}, {"last", 'd', 2}, {"filtered", 'd', 3}, {"smoothed", 'd', 3},
    {"forecast", 'd', 3}, {"passage", 'd', 3},
};

typedef struct {
    Py_buffer view;
    double *d;  /* one of these is the data */
    int32_t *i;
    Py_ssize_t shape[3], width; /* width: the last axis, B or 1 */
} Array;

/* A rate and the row it is applied to, as offsets in bytes into the rows of a block: in one
 * word, because loads are what the recursions wait for. */
typedef uint64_t Edge;
#define ROW_BYTES (LANES * sizeof(double))
#define EDGE(rate, row) ((uint64_t)(rate) * ROW_BYTES | (uint64_t)(row) * ROW_BYTES << 32)
#define RATE(edge) ((uint32_t)(edge))
#define FROM(edge) ((edge) >> 32)

/* Neighbouring rows, and how many edges end in them: those that they share, each with one rate and
 * the row from which it comes into the first of them (into the next from the next), and as many
 * others of each row: the first of each (in FORWARD and BACKWARD its stay), then the second, … */
typedef struct {
    int32_t rows, shared, others;
} Rows;

typedef struct {
    int32_t rows, blocks;
    double edges; /* multiplications, without those by nothing */
    const Rows *block;
    const Edge *edge;
} Graph;

/* The chain, its reverse, and the chain beside the chains outside each set. */
enum { FORWARD, BACKWARD, AHEAD, GRAPHS };

typedef struct {
    Array array[ARRAYS];
    int held; /* arrays whose buffer is held */
    bool keep;
    int32_t least_terms, states, rates, modulators, events, rows, sets, history, largest;
    Py_ssize_t batch;
    Graph graph[GRAPHS];
    Edge *edge;
} Problem;

/* One block of lanes: where it stands, and what it works on (rows of LANES doubles). */
typedef struct {
    const Problem *p;
    Py_ssize_t lane; /* the batch member in the first lane */
    int live;        /* lanes with a member */
    bool keep, bad;
    int days[LANES], segment[LANES], stretch, length; /* of the generator in force */
    int next[LANES], impossible[LANES], table[LANES]; /* next: event */
    ALIGNED double loglik[LANES];
    ALIGNED double least[LANES], lost[LANES]; /* least: killing rate, kept out of Λ */
    ALIGNED double reach[LANES], span[LANES], terms[LANES], parts[LANES]; /* of the step in hand */
    ALIGNED double decay[LANES], day_decay[LANES];
    double lane_terms, operations;
    int most_terms, most_parts, part;
    double *most; /* Λ */
    double *base, *rates, *factor, *killed, *vector, *work[2], *joint, *beta, *likelihood;
    double *factors, *inverse, *rescale, *marginal, *ahead, *total, *reduced, *series, *days_ahead;
    double *history;
} Block;

#if defined(__GNUC__) && defined(__x86_64__)
#define VECTOR 8
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define NAME(x) x##_avx512
#include "_kernel.h"
#undef VECTOR
#undef TARGET
#undef NAME
#define VECTOR 4
#define TARGET __attribute__((target("avx2,fma")))
#define NAME(x) x##_avx2
#include "_kernel.h"
#undef VECTOR
#undef TARGET
#undef NAME
#endif

#if defined(__GNUC__)
#define VECTOR 2 /* SSE2 of every x86-64, NEON of every arm64 */
#else
#define VECTOR 1
#endif
#define TARGET
#define NAME(x) x##_plain
#include "_kernel.h"

typedef struct {
    const char *name;
    bool (*here)(void);
    void (*run_block)(Block *);
} Variant;

static bool everywhere(void) { return true; }

#if defined(__GNUC__) && defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void) { return has_avx2() && __builtin_cpu_supports("avx512f"); }
#endif

static const Variant VARIANTS[] = {
#if defined(__GNUC__) && defined(__x86_64__)
    {"avx512", has_avx512, run_block_avx512},
    {"avx2", has_avx2, run_block_avx2},
#endif
    {"plain", everywhere, run_block_plain},
};
#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

/* ---- what a problem must be ------------------------------------------------------------- */

#define CHECK(condition, ...)                       \
    do {                                            \
        if (!(condition)) {                         \
            PyErr_Format(PyExc_ValueError, __VA_ARGS__); \
            return false;                           \
        }                                           \
    } while (0)

static bool is_shape(const Problem *p, int which, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c)
{
    const Py_ssize_t wanted[3] = {a, b, c};
    for (int i = 0; i < SPECS[which].dimensions; i++)
        CHECK(p->array[which].shape[i] == wanted[i], "%s: axis %d has %zd entries, not %zd",
              SPECS[which].name, i, p->array[which].shape[i], wanted[i]);
    return true;
}

static bool is_wide(const Problem *p, int which)
{
    Py_ssize_t width = p->array[which].width;
    CHECK(width == 1 || width == p->batch, "%s: last axis has %zd entries, not %zd or 1",
          SPECS[which].name, width, p->batch);
    return true;
}

static bool is_within(const Problem *p, int which, int64_t low, int64_t end)
{
    const Array *array = &p->array[which];
    Py_ssize_t count = array->view.len / (Py_ssize_t)sizeof(int32_t);
    for (Py_ssize_t n = 0; n < count; n++)
        CHECK(array->i[n] >= low && array->i[n] < end, "%s: entry %zd is %d, outside [%lld, %lld)",
              SPECS[which].name, n, (int)array->i[n], (long long)low, (long long)end);
    return true;
}

static bool take(Problem *p, int which, PyObject *object)
{
    Array *array = &p->array[which];
    const char *name = SPECS[which].name;
    bool output = which >= LOGLIK;
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (output ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &array->view, flags) < 0)
        return false;
    p->held = which + 1;
    const Py_buffer *view = &array->view;
    char kind = view->format && view->format[0] && !view->format[1] ? view->format[0] : '?';
    bool right = SPECS[which].kind == 'd' ? kind == 'd' && view->itemsize == 8
                                          : (kind == 'i' || kind == 'l') && view->itemsize == 4;
    CHECK(right, "%s: wrong type of number", name);
    CHECK(view->ndim == SPECS[which].dimensions, "%s: %d axes, not %d", name, view->ndim,
          SPECS[which].dimensions);
    CHECK((uintptr_t)view->buf % (uintptr_t)view->itemsize == 0, "%s: not aligned", name);
    for (int i = 0; i < view->ndim; i++) {
        array->shape[i] = view->shape[i];
        CHECK(view->shape[i] <= INT32_MAX / 64, "%s: too large", name);
    }
    array->width = view->shape[view->ndim - 1];
    array->d = view->buf;
    array->i = view->buf;
    return true;
}

/* Sizes that everything else is held against. */
static bool take_sizes(Problem *p)
{
    const Array *a = p->array;
    p->states = (int32_t)a[START].shape[0];
    p->batch = a[START].shape[1];
    p->rates = (int32_t)a[RATES].shape[0];
    p->modulators = (int32_t)a[MULTIPLIERS].shape[0];
    p->events = (int32_t)a[EVENT_DAY].shape[0];
    p->rows = (int32_t)a[ROW_FIRST].shape[0] - 1;
    p->sets = (int32_t)a[PLACE].shape[0] - 1;
    CHECK(p->states > 0 && p->states <= 4096, "start: needs 1 to 4096 states");
    CHECK(p->rates <= 1 << 20, "rates: too many rows");
    CHECK(p->rows >= 0, "row_first: is empty");
    CHECK(p->sets >= 0, "place: is empty");
    CHECK(p->least_terms >= 0 && p->least_terms < MOST_TERMS, "least_terms: out of range");
    return true;
}

static bool check_inputs(const Problem *p)
{
    const Array *a = p->array;
    Py_ssize_t batch = p->batch, states = p->states, tables = a[TABLE].shape[0];
    return is_shape(p, RATES, p->rates, batch, 0) && is_shape(p, MODULATOR, p->rates, 0, 0) &&
           is_within(p, MODULATOR, -1, p->modulators) && is_wide(p, MULTIPLIERS) &&
           is_within(p, SEGMENT, 0, p->modulators ? a[MULTIPLIERS].shape[1] : INT32_MAX) &&
           is_wide(p, KILLING) &&
           is_shape(p, KILLING, a[KILLING].shape[0], states, a[KILLING].width) &&
           is_within(p, KILLING_SEGMENT, -1, a[KILLING].shape[0]) && is_wide(p, EVENT_DAY) &&
           is_shape(p, EVENT_TABLE, p->events, a[EVENT_DAY].width, 0) &&
           is_within(p, EVENT_DAY, 0, INT32_MAX) && is_within(p, EVENT_TABLE, 0, tables) &&
           is_shape(p, TABLE, tables, states, 0) && is_wide(p, LIKELIHOOD) &&
           is_within(p, TABLE, 0, a[LIKELIHOOD].shape[0]) && is_wide(p, LOG_SCALE) &&
           is_shape(p, LOG_SCALE, tables, a[LOG_SCALE].width, 0) &&
           is_shape(p, DAYS, batch, 0, 0) &&
           is_within(p, DAYS, 0, a[KILLING_SEGMENT].shape[0] + 1) &&
           is_within(p, ROW_STATE, 0, states) && is_shape(p, PLACE, p->sets + 1, states + 1, 0) &&
           is_shape(p, ROW_AHEAD, a[ROW_STATE].shape[0], 0, 0);
}

/* Steps follow each other from 0; returns the day on which they end, or −1. */
static int32_t check_steps(const Problem *p, int which, bool within)
{
    const Array *steps = &p->array[which];
    int64_t day = 0;
    if (!is_shape(p, which, steps->shape[0], 2, 0))
        return -1;
    for (Py_ssize_t s = 0; s < steps->shape[0]; s++) {
        int64_t length = steps->i[2 * s + 1];
        if (steps->i[2 * s] != day || length < 1 || (within && length > MOST_DAYS) ||
            day + length > INT32_MAX / 64) {
            PyErr_Format(PyExc_ValueError, "%s: step %zd is wrong", SPECS[which].name, s);
            return -1;
        }
        day += length;
    }
    return (int32_t)day;
}

static bool check_days(Problem *p)
{
    const Array *a = p->array;
    int32_t history = check_steps(p, HISTORY_STEPS, p->keep), last = 0;
    int32_t horizon = history < 0 ? -1 : check_steps(p, FORECAST_STEPS, true);
    if (horizon < 0)
        return false;
    for (Py_ssize_t n = 0; n < p->batch; n++)
        last = a[DAYS].i[n] > last ? a[DAYS].i[n] : last;
    CHECK(last == history, "history_steps: end on day %d, not on %d", (int)history, (int)last);
    CHECK(last <= a[KILLING_SEGMENT].shape[0], "killing_segment: too short");
    CHECK((Py_ssize_t)last + horizon <= a[SEGMENT].shape[0], "segment: too short");
    p->history = history;
    for (int which = HISTORY_TERMS; which <= FORECAST_TERMS; which++) {
        CHECK(a[which].shape[0] >= (Py_ssize_t)(PART_REACH * RESOLUTION) + 2, "%s: too short",
              SPECS[which].name);
        if (!is_within(p, which, 0, MOST_TERMS))
            return false;
    }
    return is_shape(p, LOGLIK, p->batch, 0, 0) && is_shape(p, INCREMENT, p->events, p->batch, 0) &&
           is_shape(p, IMPOSSIBLE, p->batch, 0, 0) && is_shape(p, LAST, p->states, p->batch, 0) &&
           (!p->keep || (is_shape(p, FILTERED, history + 1, p->rows, p->batch) &&
                         is_shape(p, SMOOTHED, history + 1, p->rows, p->batch) &&
                         is_shape(p, FORECAST, horizon + 1, p->rows, p->batch) &&
                         is_shape(p, PASSAGE, horizon + 1, p->sets, p->batch)));
}

/* Offsets that start at 0, never fall, and end at `end`. */
static bool is_rising(const char *name, const int32_t *first, int32_t count, Py_ssize_t end,
                      int32_t least)
{
    CHECK(first[0] == 0 && first[count] == end, "%s: does not cover", name);
    for (int32_t n = 0; n < count; n++)
        CHECK(first[n + 1] >= first[n] + least, "%s: falls", name);
    return true;
}

/* Turn the edges of one block, from `edge` on, into offsets. */
static bool build_block(Problem *p, Graph *graph, const Rows *block, Py_ssize_t edge)
{
    const int32_t *rate = p->array[EDGE_RATE].i, *from = p->array[EDGE_FROM].i;
    Py_ssize_t others = edge + block->shared, end = others + (Py_ssize_t)block->others * block->rows;
    for (; edge < end; edge++) {
        int32_t rows = edge < others ? block->rows : 1;
        CHECK(from[edge] >= 0 && from[edge] <= graph->rows - rows,
              "edge_from: entry %zd is out of range", edge);
        p->edge[edge] = EDGE(rate[edge], from[edge]);
        graph->edges += rate[edge] <= p->rates + p->states ? rows : 0;
    }
    return true;
}

/* A graph from the block and the edge at which the one before it ends, which it moves on. */
static bool build_graph(Problem *p, Graph *graph, Py_ssize_t *block, Py_ssize_t *edge)
{
    const Array *a = p->array;
    int64_t rows = 0;
    CHECK(*block + graph->blocks <= a[BLOCKS].shape[0], "blocks: too few");
    graph->block = (const Rows *)a[BLOCKS].i + *block;
    graph->edge = p->edge + *edge;
    for (int32_t n = 0; n < graph->blocks; n++) {
        const Rows *each = &graph->block[n];
        int64_t edges = each->shared + (int64_t)each->others * each->rows;
        CHECK(each->rows >= 1 && each->rows <= WIDEST, "blocks: block %d has %d rows", (int)n,
              (int)each->rows);
        CHECK(*edge + edges <= a[EDGE_RATE].shape[0], "blocks: too many edges");
        if (!build_block(p, graph, each, *edge))
            return false;
        *edge += edges;
        rows += each->rows;
    }
    CHECK(rows == graph->rows, "blocks: do not cover all rows");
    *block += graph->blocks;
    p->largest = graph->rows > p->largest ? graph->rows : p->largest;
    return true;
}

static bool build_graphs(Problem *p)
{
    const Array *a = p->array;
    Py_ssize_t edges = a[EDGE_RATE].shape[0], block = 0, edge = 0;
    if (!is_shape(p, GRAPH_ROWS, GRAPHS, 2, 0) || !is_shape(p, EDGE_FROM, edges, 0, 0) ||
        !is_within(p, GRAPH_ROWS, 1, MOST_ROWS) || !is_within(p, BLOCKS, 0, MOST_ROWS) ||
        !is_shape(p, BLOCKS, a[BLOCKS].shape[0], 3, 0) ||
        !is_within(p, EDGE_RATE, 0, p->rates + p->states + 2))
        return false;
    p->edge = calloc((size_t)edges + 1, sizeof *p->edge);
    if (!p->edge) {
        PyErr_NoMemory();
        return false;
    }
    for (int g = 0; g < GRAPHS; g++) {
        p->graph[g].rows = a[GRAPH_ROWS].i[2 * g];
        p->graph[g].blocks = a[GRAPH_ROWS].i[2 * g + 1];
        if (!build_graph(p, &p->graph[g], &block, &edge))
            return false;
    }
    CHECK(block == a[BLOCKS].shape[0] && edge == edges, "blocks: do not cover all edges");
    CHECK(p->graph[FORWARD].rows == p->states && p->graph[BACKWARD].rows == p->states,
          "graph_rows: the chain must have all states");
    return is_within(p, PLACE, 0, p->graph[AHEAD].rows) &&
           is_within(p, ROW_AHEAD, 0, p->graph[AHEAD].rows) &&
           is_rising("row_first", a[ROW_FIRST].i, p->rows, a[ROW_STATE].shape[0], 0);
}

static void release(Problem *p)
{
    for (int which = 0; which < p->held; which++)
        PyBuffer_Release(&p->array[which].view);
    free(p->edge);
    free(p);
}

static void release_capsule(PyObject *capsule)
{
    release(PyCapsule_GetPointer(capsule, "escalation.maths._kernel.problem"));
}

PyDoc_STRVAR(problem_doc,
"problem(arrays, least_terms, keep)\n--\n\n"
"A checked problem, holding its arrays. Without `keep`, only log-likelihoods are computed.");

static PyObject *new_problem(PyObject *module, PyObject *args)
{
    PyObject *arrays;
    int least_terms, keep;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!ip", &PyTuple_Type, &arrays, &least_terms, &keep))
        return NULL;
    if (PyTuple_Size(arrays) != ARRAYS)
        return PyErr_Format(PyExc_ValueError, "needs %d arrays", ARRAYS);
    Problem *p = calloc(1, sizeof *p);
    if (!p)
        return PyErr_NoMemory();
    p->least_terms = least_terms;
    p->keep = keep;
    bool good = true;
    for (int which = 0; good && which < ARRAYS; which++)
        good = take(p, which, PyTuple_GetItem(arrays, which));
    good = good && take_sizes(p) && check_inputs(p) && check_days(p) && build_graphs(p);
    PyObject *capsule =
        good ? PyCapsule_New(p, "escalation.maths._kernel.problem", release_capsule) : NULL;
    if (!capsule)
        release(p);
    return capsule;
}

/* ---- running it ------------------------------------------------------------------------- */

/* Give out rows of one allocation; with `from` null, only count them. */
static double *rows_of(double *from, size_t *used, size_t count)
{
    double *rows = from ? from + *used : NULL;
    *used += count * LANES;
    return rows;
}

static size_t lay_out(Block *b, double *from)
{
    const Problem *p = b->p;
    size_t states = (size_t)p->states, largest = (size_t)p->largest, used = 0;
    size_t days = p->keep ? (size_t)p->history + 1 : 0, written = (size_t)(p->rows + p->sets);
    size_t terms = p->keep ? MOST_TERMS + 1 : 0;
    b->base = rows_of(from, &used, (size_t)p->rates);
    b->rates = rows_of(from, &used, (size_t)p->rates + states + 2);
    b->factor = rows_of(from, &used, (size_t)p->modulators);
    b->killed = rows_of(from, &used, states);
    b->vector = rows_of(from, &used, states);
    b->work[0] = rows_of(from, &used, largest);
    b->work[1] = rows_of(from, &used, largest);
    b->joint = rows_of(from, &used, states);
    b->beta = rows_of(from, &used, states);
    b->likelihood = rows_of(from, &used, states);
    b->factors = rows_of(from, &used, MOST_TERMS);
    b->inverse = rows_of(from, &used, (size_t)p->events);
    b->rescale = rows_of(from, &used, (size_t)p->events);
    b->marginal = rows_of(from, &used, written);
    b->ahead = rows_of(from, &used, largest);
    b->total = rows_of(from, &used, largest);
    b->days_ahead = rows_of(from, &used, MOST_DAYS * (states > written ? states : written));
    b->history = rows_of(from, &used, days * states);
    b->reduced = rows_of(from, &used, terms * written);
    b->series = rows_of(from, &used, terms * states);
    return used;
}

/* Members [first, last), block by block; operations done, −1: out of memory, −2: not finite. */
static double run_members(const Problem *p, Py_ssize_t first, Py_ssize_t last,
                          void (*run_block)(Block *))
{
    Block block, *b = &block;
    double *memory, operations = -1.0;
    memset(b, 0, sizeof *b);
    b->p = p;
    b->keep = p->keep;
    memory = malloc((lay_out(b, NULL) + 8) * sizeof *memory);
    if (memory) {
        lay_out(b, memory + (64 - (uintptr_t)memory % 64) % 64 / sizeof *memory);
        for (b->lane = first; b->lane < last; b->lane += LANES) {
            b->live = last - b->lane < LANES ? (int)(last - b->lane) : LANES;
            run_block(b);
        }
        operations = b->bad ? -2.0 : b->operations;
    }
    free(memory);
    return operations;
}

PyDoc_STRVAR(run_doc,
"run(problem, first, last, variant)\n--\n\n"
"Compute members [first, last) with an instruction set; returns the floating-point operations\n"
"that the members needed, a multiplication with an addition counting as two.");

static PyObject *run(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    Py_ssize_t first, last;
    const char *name;
    (void)module;
    if (!PyArg_ParseTuple(args, "Onns", &capsule, &first, &last, &name))
        return NULL;
    const Problem *p = PyCapsule_GetPointer(capsule, "escalation.maths._kernel.problem");
    if (!p)
        return NULL;
    if (first < 0 || last < first || last > p->batch)
        return PyErr_Format(PyExc_ValueError, "members %zd to %zd of %zd", first, last, p->batch);
    const Variant *variant = NULL;
    for (int v = 0; v < COUNT(VARIANTS); v++)
        if (strcmp(VARIANTS[v].name, name) == 0 && VARIANTS[v].here())
            variant = &VARIANTS[v];
    if (!variant)
        return PyErr_Format(PyExc_ValueError, "variant '%s' does not run here", name);
    double operations;
    Py_BEGIN_ALLOW_THREADS
    operations = run_members(p, first, last, variant->run_block);
    Py_END_ALLOW_THREADS
    if (operations == -1.0)
        return PyErr_NoMemory();
    if (operations < 0.0)
        return PyErr_Format(PyExc_ValueError, "rates or likelihoods are not finite, or too large");
    return PyFloat_FromDouble(operations);
}

static int fill_module(PyObject *module)
{
    int here = 0;
    for (int v = 0; v < COUNT(VARIANTS); v++)
        here += VARIANTS[v].here();
    PyObject *names = PyTuple_New(here);
    for (int v = 0, at = 0; names && v < COUNT(VARIANTS); v++) {
        if (!VARIANTS[v].here())
            continue;
        PyObject *name = PyUnicode_FromString(VARIANTS[v].name);
        if (!name || PyTuple_SetItem(names, at++, name) < 0)
            Py_CLEAR(names);
    }
    PyObject *shift = names ? PyFloat_FromDouble(SHIFT) : NULL;
    int failed = shift ? PyModule_AddObjectRef(module, "VARIANTS", names) ||
                             PyModule_AddObjectRef(module, "SHIFT", shift)
                       : -1;
    Py_XDECREF(names);
    Py_XDECREF(shift);
    return failed || PyModule_AddIntConstant(module, "LANES", LANES) ||
                   PyModule_AddIntConstant(module, "MOST_DAYS", MOST_DAYS)
               ? -1
               : 0;
}

static PyMethodDef METHODS[] = {
    {"problem", new_problem, METH_VARARGS, problem_doc},
    {"run", run, METH_VARARGS, run_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, (void *)fill_module},
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "The compiled path of escalation.maths.filtering.",
    .m_methods = METHODS,
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&MODULE); }
