/* The recursions of `filtering` on one block of LANES batch members, states first:
 * row k of a state vector holds state k of every lane.
 *
 * Included by _kernel.c once per instruction set, which defines
 *
 *   NAME(x)    x with the instruction set's suffix
 *   TARGET     the attribute that lets the compiler use it
 *   VECTOR     doubles in one of its registers
 *
 * Uniformisation (ctmc.py): A = G + ΛI, exp(Gt) = e^(−Λt) Σ_n (At)ⁿ/n!. A has no negative entry,
 * but for stays where Λ is kept below the fastest rate (set_most). They cost rounding no more than
 * a factor in any state: −s ≤ A there, so that exp(|A|t) ≤ e^(2st) exp(At) entry by entry.
 * No lane knows its neighbours: each has its own Λ and its own number of terms, after which its
 * factor is zero, so that further terms add exactly nothing to it.
 */

#if VECTOR > 1
typedef double NAME(vec) __attribute__((vector_size(8 * VECTOR), may_alias));
typedef NAME(vec) NAME(given) __attribute__((aligned(8))); /* in an array of the caller's */
typedef int64_t NAME(mask) __attribute__((vector_size(8 * VECTOR)));
#define WHERE(test, yes, no) ((vec)(((test) & (mask)(yes)) | (~(test) & (mask)(no))))
#else
typedef double NAME(vec);
typedef double NAME(given);
typedef bool NAME(mask);
#define WHERE(test, yes, no) ((test) ? (yes) : (no))
#endif
#define vec NAME(vec)
#define mask NAME(mask)
#define PARTS (LANES / VECTOR)
#define PAIR (PARTS > 1 ? 2 : 1) /* vectors that go together, as many sums as stay in registers */
#define WIDE (PARTS < 4 ? PARTS : 4)
#define EACH UNROLL for (int i = 0; i < PARTS; i++)
#define ROW(rows, k) ((vec *)((rows) + (Py_ssize_t)(k) * LANES))
#define ROW_OF(rows, k) ((const vec *)((rows) + (Py_ssize_t)(k) * LANES))
#define AT(rows, offset) ((const vec *)((const char *)(rows) + (offset)))

/* One term: to = factor · A from, and what is done with it besides. */
enum NAME(Term) {
    NAME(ALONE),
    NAME(ADD),   /* to = with + factor · A from */
    NAME(SCALE), /* to = (with + factor · A from) · by */
    NAME(GATHER) /* with += to */
};

/* One term of a block of `width` rows; inlined, with `width` and `what` known. */
static INLINE TARGET void NAME(block_term)(const Rows *block, const Edge *edges, const int width,
                                           const int what, const double *rates,
                                           const double *from, const double *factor, double *with,
                                           const double *by, double *to)
{
    UNROLL
    for (int pair = 0; pair < PARTS; pair += PAIR) {
        const Edge *edge = edges;
        vec sum[WIDEST][PAIR];
        UNROLL
        for (int w = 0; w < width; w++)
            UNROLL
            for (int i = 0; i < PAIR; i++)
                sum[w][i] = (vec){0};
        for (int n = block->shared; n > 0; n--, edge++) {
            const vec *rate = AT(rates, RATE(*edge)) + pair;
            const vec *source = AT(from, FROM(*edge)) + pair;
            UNROLL
            for (int w = 0; w < width; w++)
                UNROLL
                for (int i = 0; i < PAIR; i++)
                    sum[w][i] += rate[i] * source[w * PARTS + i];
        }
        for (int n = block->others; n > 0; n--, edge += width) {
            UNROLL
            for (int w = 0; w < width; w++) {
                const vec *rate = AT(rates, RATE(edge[w])) + pair;
                const vec *source = AT(from, FROM(edge[w])) + pair;
                UNROLL
                for (int i = 0; i < PAIR; i++)
                    sum[w][i] += rate[i] * source[i];
            }
        }
        vec scale[PAIR], last[PAIR];
        UNROLL
        for (int i = 0; i < PAIR; i++) {
            scale[i] = ROW_OF(factor, 0)[pair + i];
            last[i] = scale[i];
            if (what == NAME(SCALE))
                last[i] = ROW_OF(by, 0)[pair + i];
        }
        UNROLL
        for (int w = 0; w < width; w++)
            UNROLL
            for (int i = 0; i < PAIR; i++) {
                vec value = scale[i] * sum[w][i];
                if (what == NAME(ADD) || what == NAME(SCALE))
                    value += ROW(with, w)[pair + i];
                if (what == NAME(SCALE))
                    value *= last[i];
                if (what == NAME(GATHER))
                    ROW(with, w)[pair + i] += value;
                ROW(to, w)[pair + i] = value;
            }
    }
}

/* One term of all rows. */
static INLINE TARGET void NAME(term)(const Graph *graph, const int what, const double *rates,
                                     const double *from, const double *factor, double *with,
                                     const double *by, double *to)
{
    const Rows *block = graph->block, *end = block + graph->blocks;
    const Edge *edge = graph->edge;
    for (; block < end; block++) {
        switch (block->rows) {
#define BLOCK_TERM(width)                                                                         \
        case width:                                                                               \
            NAME(block_term)(block, edge, width, what, rates, from, factor, with, by, to);        \
            break;
            BLOCK_TERM(1)
            BLOCK_TERM(2)
            BLOCK_TERM(3)
            BLOCK_TERM(4)
            BLOCK_TERM(5)
            BLOCK_TERM(6)
#undef BLOCK_TERM
        }
        edge += block->shared + block->others * block->rows;
        to += block->rows * LANES;
        if (what != NAME(ALONE))
            with += block->rows * LANES;
    }
}

/* Values of `wide` neighbouring polynomials Σ_n ratioⁿ·terms[n] at `count` ratios (Horner); both
 * known, and together as many chains of sums as the processor takes at once. */
static INLINE TARGET void NAME(horner)(const vec *term, int order, Py_ssize_t stride,
                                       const double *ratio, const int count, const int wide,
                                       vec *out, Py_ssize_t next)
{
    vec value[MOST_AT_ONCE][WIDE];
    term += order * stride;
    UNROLL
    for (int d = 0; d < count; d++)
        UNROLL
        for (int i = 0; i < wide; i++)
            value[d][i] = term[i];
    for (int n = order; n > 0; n--) {
        term -= stride;
        UNROLL
        for (int d = 0; d < count; d++)
            UNROLL
            for (int i = 0; i < wide; i++)
                value[d][i] = value[d][i] * ratio[d] + term[i];
    }
    UNROLL
    for (int d = 0; d < count; d++)
        UNROLL
        for (int i = 0; i < wide; i++)
            out[d * next + i] = value[d][i];
}

/* The polynomials of `rows` rows, `stride` doubles from term to term, at `count` ratios. */
static TARGET void NAME(evaluate)(Block *b, const double *terms, int stride, int rows,
                                  const double *ratio, int count, double *out)
{
    const Py_ssize_t step = stride / VECTOR, next = (Py_ssize_t)rows * PARTS;
    const int order = b->most_terms;
    b->operations += 2.0 * rows * count * b->lane_terms;
    for (int turns = (count + MOST_AT_ONCE - 1) / MOST_AT_ONCE; turns > 0; turns--) {
        const int now = (count + turns - 1) / turns;
        for (Py_ssize_t at = 0; at < next; at += now == 4 ? PAIR : WIDE) {
            const vec *from = (const vec *)terms + at;
            vec *to = (vec *)out + at;
            if (now == 4)
                NAME(horner)(from, order, step, ratio, 4, PAIR, to, next);
            else if (now == 3)
                NAME(horner)(from, order, step, ratio, 3, WIDE, to, next);
            else if (now == 2)
                NAME(horner)(from, order, step, ratio, 2, WIDE, to, next);
            else
                NAME(horner)(from, order, step, ratio, 1, WIDE, to, next);
        }
        count -= now;
        ratio += now;
        out += now * next * VECTOR;
    }
}

static TARGET void NAME(sum_rows)(const double *rows, int count, double *total)
{
    vec sum[PARTS];
    EACH sum[i] = (vec){0};
    for (int k = 0; k < count; k++)
        EACH sum[i] += ROW_OF(rows, k)[i];
    EACH ROW(total, 0)[i] = sum[i];
}

static TARGET void NAME(scale_rows)(double *rows, int count, const double *by)
{
    vec scale[PARTS];
    EACH scale[i] = ROW_OF(by, 0)[i];
    for (int k = 0; k < count; k++)
        EACH ROW(rows, k)[i] *= scale[i];
}

/* One row of an input, (…, B) or shared by the batch (…, 1); lanes without a member repeat. */
static INLINE TARGET void NAME(load)(const Block *b, const Array *from, Py_ssize_t row, double *to)
{
    const double *data = from->d + row * from->width;
    if (from->width == 1)
        for (int l = 0; l < LANES; l++)
            to[l] = data[0];
    else if (b->live == LANES)
        EACH ROW(to, 0)[i] = ((const NAME(given) *)(data + b->lane))[i];
    else
        for (int l = 0; l < LANES; l++)
            to[l] = data[b->lane + (l < b->live ? l : b->live - 1)];
}

static INLINE TARGET void NAME(store)(const Block *b, const double *from, double *row)
{
    if (b->live == LANES)
        EACH ((NAME(given) *)(row + b->lane))[i] = ROW_OF(from, 0)[i];
    else
        for (int l = 0; l < b->live; l++)
            row[b->lane + l] = from[l];
}

/* Have a row of an input at hand when it is wanted: no pattern in rows so far apart is foreseen. */
static INLINE TARGET void NAME(fetch)(const Block *b, const Array *from, Py_ssize_t row)
{
    const double *data = from->d + row * from->width + (from->width == 1 ? 0 : b->lane);
    const int last = from->width == 1 ? 0 : b->live - 1;
    for (int l = 0; l < last; l += 8)
        PREFETCH(data + l);
    PREFETCH(data + last);
}

/* Rates of the segments in force. */
static TARGET void NAME(set_rates)(Block *b, const int *segment)
{
    const Problem *p = b->p;
    const Array *multipliers = &p->array[MULTIPLIERS];
    Py_ssize_t segments = multipliers->shape[1];
    bool one = true;
    for (int l = 1; l < LANES; l++)
        one = one && segment[l] == segment[0];
    const int next = segment[0] + (segment[0] < b->segment[0] ? -1 : 1);
    for (int c = 0; c < p->modulators; c++) {
        double *factor = b->factor + c * LANES;
        if (one && next >= 0 && next < segments)
            NAME(fetch)(b, multipliers, c * segments + next);
        if (one) {
            NAME(load)(b, multipliers, c * segments + segment[0], factor);
            continue;
        }
        for (int l = 0; l < LANES; l++) {
            Py_ssize_t column = b->lane + (l < b->live ? l : b->live - 1);
            Py_ssize_t row = c * segments + segment[l];
            factor[l] = multipliers->d[row * multipliers->width +
                                       (multipliers->width == 1 ? 0 : column)];
        }
    }
    for (int g = 0; g < p->rates; g++) {
        int by = p->array[MODULATOR].i[g];
        const double *base = b->base + g * LANES;
        if (by >= 0)
            EACH ROW(b->rates, g)[i] = ROW_OF(base, 0)[i] * ROW_OF(b->factor, by)[i];
        else
            EACH ROW(b->rates, g)[i] = ROW_OF(base, 0)[i];
    }
}

/* Lane by lane, the larger and the smaller of two rows. */
static INLINE TARGET void NAME(raise)(double *row, const double *other)
{
    EACH {
        const mask more = ROW_OF(other, 0)[i] > ROW(row, 0)[i];
        ROW(row, 0)[i] = WHERE(more, ROW_OF(other, 0)[i], ROW(row, 0)[i]);
    }
}

static INLINE TARGET void NAME(lower)(double *row, const double *other)
{
    EACH {
        const mask less = ROW_OF(other, 0)[i] < ROW(row, 0)[i];
        ROW(row, 0)[i] = WHERE(less, ROW_OF(other, 0)[i], ROW(row, 0)[i]);
    }
}

/* Killing rates of a stretch, less the least of all states: that is kept out of Λ. */
static TARGET void NAME(set_killing)(Block *b, int stretch)
{
    const Problem *p = b->p;
    if (stretch < 0) {
        memset(b->killed, 0, sizeof(double) * LANES * p->states);
        memset(b->least, 0, sizeof b->least);
        return;
    }
    for (int k = 0; k < p->states; k++)
        NAME(load)(b, &p->array[KILLING], (Py_ssize_t)stretch * p->states + k,
                   b->killed + k * LANES);
    memcpy(b->least, b->killed, sizeof b->least);
    for (int k = 1; k < p->states; k++)
        NAME(lower)(b->least, b->killed + k * LANES);
    for (int k = 0; k < p->states; k++)
        EACH ROW(b->killed, k)[i] -= ROW_OF(b->least, 0)[i];
}

/* How fast each state is left or killed, in the place of its stay; the fastest of all in `most`,
 * and without killing in `moving`. Rates that the states of a block share are added up once. */
static TARGET void NAME(set_leave)(Block *b, double *most, double *moving)
{
    const Graph *out = &b->p->graph[BACKWARD];
    const Edge *edge = out->edge;
    const double *killed = b->killed;
    double *leave = b->rates + b->p->rates * LANES;
    for (int n = 0; n < out->blocks; n++) {
        const Rows *block = &out->block[n];
        vec shared[PARTS];
        EACH shared[i] = (vec){0};
        for (int e = 0; e < block->shared; e++, edge++)
            EACH shared[i] += AT(b->rates, RATE(*edge))[i];
        for (int row = 0; row < block->rows; row++, leave += LANES, killed += LANES) {
            vec sum[PARTS];
            EACH sum[i] = shared[i];
            for (int e = 1; e < block->others; e++) /* the first is the stay */
                EACH sum[i] += AT(b->rates, RATE(edge[e * block->rows + row]))[i];
            EACH ROW(leave, 0)[i] = sum[i];
            NAME(raise)(moving, leave);
            EACH ROW(leave, 0)[i] = sum[i] + ROW_OF(killed, 0)[i];
            NAME(raise)(most, leave);
        }
        edge += block->others * block->rows;
    }
}

/* Λ, in the place of the stay of an absorbing state. Where some states are killed much faster than
 * others it may be below the fastest rate by half of the excess over moving, for no row of |A|
 * then exceeds it; and by SHIFT over the step: stays as low as that cost rounding e^(2 SHIFT). */
static TARGET void NAME(set_most)(Block *b, const double *most, const double *moving, int days)
{
    b->most = b->rates + (b->p->rates + b->p->states) * LANES;
    for (int l = 0; l < LANES; l++) {
        double excess = 0.5 * (most[l] - moving[l]), allowed = SHIFT / days;
        b->most[l] = most[l] - (excess < allowed ? excess : allowed);
    }
}

/* Put the generator of the days of a step in force: Λ, and the rates at which each state stays. */
static TARGET void NAME(set_generator)(Block *b, const int *segment, int stretch, int days)
{
    const Problem *p = b->p;
    bool same = memcmp(b->segment, segment, sizeof b->segment) == 0;
    if (same && b->stretch == stretch && (b->length == days || stretch < 0))
        return;
    if (!same)
        NAME(set_rates)(b, segment);
    if (b->stretch != stretch)
        NAME(set_killing)(b, stretch);
    memcpy(b->segment, segment, sizeof b->segment);
    b->stretch = stretch;
    b->length = days;
    ALIGNED double most[LANES] = {0.0}, moving[LANES] = {0.0};
    NAME(set_leave)(b, most, moving);
    NAME(set_most)(b, most, moving, days);
    double *stay = b->rates + p->rates * LANES;
    for (int k = 0; k < p->states; k++)
        EACH ROW(stay, k)[i] = ROW_OF(b->most, 0)[i] - ROW_OF(stay, k)[i];
    b->operations += b->live * (double)(p->rates + p->graph[BACKWARD].edges + 2 * p->states);
}

/* Factor t/n of each term of one part of a step, 0 in lanes that are done. */
static TARGET void NAME(set_factors)(Block *b, int part)
{
    ALIGNED double span[LANES];
    double number = part;
    for (int l = 0; l < LANES; l++)
        span[l] = number < b->parts[l] ? b->span[l] : 0.0;
    for (int n = 1; n <= b->most_terms; n++) {
        double inverse = 1.0 / n, order = n, *factor = b->factors + n * LANES;
        for (int l = 0; l < LANES; l++) {
            double value = span[l] * inverse;
            factor[l] = order <= b->terms[l] ? value : 0.0;
        }
    }
    b->part = part;
}

/* How each lane takes a step: in how many equal parts, each of how many terms. */
static TARGET void NAME(set_step)(Block *b, int days, const bool *going, const Array *table)
{
    b->most_terms = b->most_parts = 0;
    b->lane_terms = 0.0;
    for (int l = 0; l < LANES; l++) {
        double reach = going[l] ? b->most[l] * days : 0.0, span = days;
        if (!(reach <= MOST_REACH)) {
            b->bad = true;
            reach = 0.0;
        }
        int parts = reach > 0.0, terms = 0;
        if (reach > PART_REACH) {
            parts = (int)ceil(reach / PART_REACH);
            reach /= parts;
            span /= parts;
        }
        if (parts > 0) {
            terms = table->i[(int)ceil(reach * RESOLUTION)];
            terms = terms > b->p->least_terms ? terms : b->p->least_terms;
        }
        b->reach[l] = reach;
        b->parts[l] = parts;
        b->terms[l] = terms;
        b->span[l] = span;
        b->most_terms = terms > b->most_terms ? terms : b->most_terms;
        b->most_parts = parts > b->most_parts ? parts : b->most_parts;
        b->lane_terms += l < b->live ? terms : 0;
    }
    NAME(set_factors)(b, 0);
}

/* vector ← e^(Λt) exp(Gt) vector over one part of a step, times `by` unless that is null. */
static INLINE TARGET void NAME(advance)(Block *b, const Graph *graph, int part, const double *by,
                                        double *vector)
{
    const double *from = vector;
    if (b->part != part)
        NAME(set_factors)(b, part);
    for (int n = b->most_terms; n > 1; n--) {
        double *to = b->work[n % 2];
        NAME(term)(graph, NAME(ADD), b->rates, from, b->factors + n * LANES, vector, NULL, to);
        from = to;
    }
    if (b->most_terms > 0 && from == vector) {
        memcpy(b->work[0], vector, sizeof(double) * LANES * graph->rows);
        from = b->work[0];
    }
    if (b->most_terms > 0)
        NAME(term)(graph, by ? NAME(SCALE) : NAME(ADD), b->rates, from, b->factors + LANES, vector,
                   by, vector);
    b->operations += b->lane_terms * 2.0 * (graph->edges + graph->rows);
}

/* b->series[n] ← (At)ⁿ/n! vector over a whole step. */
static TARGET void NAME(expand)(Block *b, const Graph *graph, const double *vector)
{
    int size = graph->rows * LANES;
    memcpy(b->series, vector, sizeof(double) * size);
    if (b->most_parts > 1)
        b->bad = true;
    for (int n = 1; n <= b->most_terms; n++) {
        double *to = b->series + (Py_ssize_t)n * size;
        NAME(term)(graph, NAME(ALONE), b->rates, to - size, b->factors + n * LANES, NULL, NULL, to);
    }
    b->operations += b->lane_terms * (2.0 * graph->edges + graph->rows);
}

/* Add up the states of each marginal row: those of `state`, by state or by row of AHEAD. */
static TARGET void NAME(reduce)(const Problem *p, const int32_t *state, const double *vector,
                                double *rows)
{
    const int32_t *first = p->array[ROW_FIRST].i;
    for (int f = 0; f < p->rows; f++) {
        vec sum[PARTS];
        EACH sum[i] = (vec){0};
        for (int32_t s = first[f]; s < first[f + 1]; s++)
            EACH sum[i] += ROW_OF(vector, state[s])[i];
        EACH ROW(rows, f)[i] = sum[i];
    }
}

/* Write the marginals of a vector, times `by`, to a day of an output. */
static TARGET void NAME(write)(Block *b, const Array *out, int day, const double *vector,
                               const double *by)
{
    const Problem *p = b->p;
    NAME(reduce)(p, p->array[ROW_STATE].i, vector, b->marginal);
    NAME(scale_rows)(b->marginal, p->rows, by);
    for (int f = 0; f < p->rows; f++)
        NAME(store)(b, b->marginal + f * LANES, out->d + ((Py_ssize_t)day * p->rows + f) * p->batch);
}

/* Write the marginals of a vector that does not sum to one. */
static TARGET void NAME(write_normalised)(Block *b, const Array *out, int day, const double *vector)
{
    ALIGNED double total[LANES];
    NAME(sum_rows)(vector, b->p->states, total);
    for (int l = 0; l < LANES; l++)
        total[l] = 1.0 / total[l];
    NAME(write)(b, out, day, vector, total);
}

/* Normalise after one part of a step, and count what was lost to killing. */
static TARGET void NAME(normalise)(Block *b, int part)
{
    ALIGNED double total[LANES];
    NAME(sum_rows)(b->vector, b->p->states, total);
    for (int l = 0; l < LANES; l++) {
        bool active = part < b->parts[l];
        b->loglik[l] += active ? log(total[l]) - b->reach[l] : 0.0;
        total[l] = active ? 1.0 / total[l] : 1.0;
    }
    NAME(scale_rows)(b->vector, b->p->states, total);
}

/* The likelihood of one event in each lane; 1 where a lane has none. False: in no lane. */
static TARGET bool NAME(set_likelihood)(Block *b, const int *event)
{
    const Problem *p = b->p;
    const Array *tables = &p->array[EVENT_TABLE], *values = &p->array[LIKELIHOOD];
    bool any = false, one = true;
    for (int l = 0; l < LANES; l++) {
        Py_ssize_t column = b->lane + (l < b->live ? l : b->live - 1);
        any = any || event[l] >= 0;
        b->table[l] = event[l] < 0 ? -1
            : tables->i[event[l] * tables->width + (tables->width == 1 ? 0 : column)];
        one = one && b->table[l] == b->table[0];
    }
    if (!any)
        return false;
    for (int k = 0; k < p->states; k++) {
        double *likelihood = b->likelihood + k * LANES;
        if (one) {
            NAME(load)(b, values, p->array[TABLE].i[b->table[0] * p->states + k], likelihood);
            continue;
        }
        for (int l = 0; l < LANES; l++) {
            Py_ssize_t column = b->lane + (l < b->live ? l : b->live - 1);
            Py_ssize_t row = b->table[l] < 0 ? 0 : p->array[TABLE].i[b->table[l] * p->states + k];
            double value = values->d[row * values->width + (values->width == 1 ? 0 : column)];
            likelihood[l] = b->table[l] < 0 ? 1.0 : value;
        }
    }
    return true;
}

static INLINE int NAME(event_day)(const Block *b, int event, int l)
{
    const Array *days = &b->p->array[EVENT_DAY];
    Py_ssize_t column = b->lane + (l < b->live ? l : b->live - 1);
    return days->i[event * days->width + (days->width == 1 ? 0 : column)];
}

/* total ← sum of vector · likelihood, rescaled in lanes where it would be lost. */
static TARGET void NAME(condition_total)(Block *b, double *rescale, double *total)
{
    int states = b->p->states;
    bool tiny = false;
    for (int k = 0; k < states; k++)
        EACH ROW(b->joint, k)[i] = ROW_OF(b->vector, k)[i] * ROW_OF(b->likelihood, k)[i];
    NAME(sum_rows)(b->joint, states, total);
    for (int l = 0; l < LANES; l++) {
        rescale[l] = total[l] < TINY ? RESCALE : 1.0;
        tiny = tiny || total[l] < TINY;
    }
    if (!tiny)
        return;
    for (int k = 0; k < states; k++)
        for (int l = 0; l < LANES; l++)
            b->joint[k * LANES + l] =
                b->vector[k * LANES + l] * rescale[l] * b->likelihood[k * LANES + l];
    NAME(sum_rows)(b->joint, states, total);
}

/* Condition on one event in each lane. */
static TARGET void NAME(condition_event)(Block *b, const int *event)
{
    const Problem *p = b->p;
    const Array *scales = &p->array[LOG_SCALE];
    ALIGNED double rescale[LANES], total[LANES], inverse[LANES];
    if (!NAME(set_likelihood)(b, event))
        return;
    NAME(condition_total)(b, rescale, total);
    for (int l = 0; l < LANES; l++) {
        Py_ssize_t column = b->lane + (l < b->live ? l : b->live - 1);
        bool use = event[l] >= 0 && total[l] >= LEAST;
        bool newly = event[l] >= 0 && !use && b->impossible[l] < 0;
        inverse[l] = use ? 1.0 / total[l] : 0.0;
        if (event[l] < 0)
            continue;
        Py_ssize_t of = (Py_ssize_t)event[l] * LANES + l;
        b->inverse[of] = inverse[l];
        b->rescale[of] = rescale[l];
        double gained = newly ? -HUGE_VAL : 0.0;
        if (use) {
            double scale = scales->d[b->table[l] * scales->width + (scales->width == 1 ? 0 : column)];
            gained = log(total[l]) - (rescale[l] > 1.0 ? LOG_RESCALE : 0.0) + scale;
            b->loglik[l] += gained;
        }
        if (newly)
            b->impossible[l] = event[l];
        if (l < b->live)
            p->array[INCREMENT].d[event[l] * p->batch + b->lane + l] = gained;
    }
    const vec zero = (vec){0};
    for (int k = 0; k < p->states; k++)
        EACH {
            const mask use = ROW_OF(inverse, 0)[i] > zero;
            const vec seen = ROW_OF(b->joint, k)[i] * ROW_OF(inverse, 0)[i];
            ROW(b->vector, k)[i] = WHERE(use, seen, ROW_OF(b->vector, k)[i]);
        }
}

/* Condition on all events of a day, in order. */
static TARGET void NAME(condition)(Block *b, int day)
{
    int event[LANES];
    for (bool more = true; more;) {
        more = false;
        for (int l = 0; l < LANES; l++) {
            bool here = day <= b->days[l] && b->next[l] < b->p->events &&
                        NAME(event_day)(b, b->next[l], l) == day;
            event[l] = here ? b->next[l]++ : -1;
            more = more || here;
        }
        if (more)
            NAME(condition_event)(b, event);
    }
}

/* Undo for the smoother: beta ← beta · likelihood of all events of a day, last first. */
static TARGET void NAME(uncondition)(Block *b, int day)
{
    int event[LANES];
    for (;;) {
        bool more = false;
        for (int l = 0; l < LANES; l++) {
            bool here = day <= b->days[l] && b->next[l] > 0 &&
                        NAME(event_day)(b, b->next[l] - 1, l) == day;
            event[l] = here ? --b->next[l] : -1;
            more = more || here;
        }
        if (!more)
            return;
        ALIGNED double inverse[LANES], rescale[LANES];
        for (int l = 0; l < LANES; l++) {
            Py_ssize_t of = (Py_ssize_t)event[l] * LANES + l;
            inverse[l] = event[l] < 0 ? 0.0 : b->inverse[of];
            rescale[l] = event[l] < 0 ? 1.0 : b->rescale[of];
        }
        NAME(set_likelihood)(b, event);
        const vec largest = (vec){0} + LARGEST, zero = (vec){0};
        for (int k = 0; k < b->p->states; k++)
            EACH {
                vec *beta = ROW(b->beta, k) + i;
                const vec seen = *beta * ROW_OF(b->likelihood, k)[i] * ROW_OF(rescale, 0)[i] *
                                 ROW_OF(inverse, 0)[i];
                const mask less = seen < largest, use = ROW_OF(inverse, 0)[i] > zero;
                const vec kept = WHERE(less, seen, largest);
                *beta = WHERE(use, kept, *beta);
            }
    }
}

/* Put the generator of a day of history in force; false where no lane is still going. */
static TARGET bool NAME(set_history)(Block *b, int day, int length)
{
    int segment[LANES];
    bool going[LANES], any = false;
    for (int l = 0; l < LANES; l++) {
        segment[l] = b->p->array[SEGMENT].i[day];
        going[l] = day < b->days[l];
        any = any || going[l];
    }
    if (!any)
        return false;
    NAME(set_generator)(b, segment, b->p->array[KILLING_SEGMENT].i[day], length);
    NAME(set_step)(b, length, going, &b->p->array[HISTORY_TERMS]);
    for (int l = 0; l < LANES; l++)
        b->lost[l] = going[l] ? b->least[l] * length : 0.0;
    return true;
}

/* Ratios 1/length, 2/length, …, 1. */
static INLINE TARGET void NAME(set_ratios)(double *ratio, int length)
{
    for (int d = 0; d < length; d++)
        ratio[d] = (double)(d + 1) / length;
}

/* One step of the filter, over days without events. */
static TARGET void NAME(filter_step)(Block *b, int day, int length)
{
    int size = b->p->states * LANES;
    double ratio[MOST_DAYS], *days = b->history + (Py_ssize_t)(day + 1) * size;
    bool moving = NAME(set_history)(b, day, length);
    if (moving && b->keep && length > 1) {
        NAME(set_ratios)(ratio, length);
        NAME(expand)(b, &b->p->graph[FORWARD], b->vector);
        NAME(evaluate)(b, b->series, size, b->p->states, ratio, length, days);
        memcpy(b->vector, days + (Py_ssize_t)(length - 1) * size, sizeof(double) * size);
        NAME(normalise)(b, 0);
    } else if (moving) {
        for (int part = 0; part < b->most_parts; part++) {
            NAME(advance)(b, &b->p->graph[FORWARD], part, NULL, b->vector);
            NAME(normalise)(b, part);
        }
    } else if (b->keep)
        for (int d = 0; d < length; d++)
            memcpy(days + (Py_ssize_t)d * size, b->vector, sizeof(double) * size);
    for (int l = 0; moving && l < LANES; l++)
        b->loglik[l] -= b->lost[l];
}

/* Keep the vector of a day, and write the marginals of the days that led to it. */
static TARGET void NAME(keep)(Block *b, int first, int day)
{
    const Array *out = &b->p->array[FILTERED];
    int size = b->p->states * LANES;
    if (!b->keep)
        return;
    memcpy(b->history + (Py_ssize_t)day * size, b->vector, sizeof(double) * size);
    for (; first <= day; first++)
        NAME(write_normalised)(b, out, first, b->history + (Py_ssize_t)first * size);
}

static TARGET void NAME(filter)(Block *b)
{
    const Problem *p = b->p;
    const Array *steps = &p->array[HISTORY_STEPS];
    for (int k = 0; k < p->states; k++)
        NAME(load)(b, &p->array[START], k, b->vector + k * LANES);
    NAME(condition)(b, 0);
    NAME(keep)(b, 0, 0);
    for (Py_ssize_t s = 0; s < steps->shape[0]; s++) {
        int day = steps->i[2 * s], length = steps->i[2 * s + 1];
        NAME(filter_step)(b, day, length);
        NAME(condition)(b, day + length);
        NAME(keep)(b, day + 1, day + length);
    }
    for (int l = 0; l < b->live; l++) {
        bool impossible = b->impossible[l] >= 0;
        p->array[LOGLIK].d[b->lane + l] = impossible ? -HUGE_VAL : b->loglik[l];
        p->array[IMPOSSIBLE].i[b->lane + l] = b->impossible[l];
        b->bad = b->bad || b->loglik[l] != b->loglik[l];
    }
    for (int k = 0; k < p->states; k++)
        NAME(store)(b, b->vector + k * LANES, p->array[LAST].d + k * p->batch);
}

/* smoothed ∝ filtered · beta on one day; with `settle`, beta is normalised by it. */
static TARGET void NAME(smooth_day)(Block *b, int day, double *beta, bool settle)
{
    int states = b->p->states;
    const double *filtered = b->history + (Py_ssize_t)day * states * LANES;
    ALIGNED double total[LANES];
    for (int k = 0; k < states; k++)
        EACH ROW(b->joint, k)[i] = ROW_OF(filtered, k)[i] * ROW_OF(beta, k)[i];
    NAME(sum_rows)(b->joint, states, total);
    for (int l = 0; l < LANES; l++)
        total[l] = 1.0 / total[l];
    NAME(write)(b, &b->p->array[SMOOTHED], day, b->joint, total);
    const vec largest = (vec){0} + LARGEST, zero = (vec){0};
    for (int k = 0; settle && k < states; k++)
        EACH {
            const vec value = ROW_OF(beta, k)[i] * ROW_OF(total, 0)[i];
            const mask less = value < largest, can = ROW_OF(filtered, k)[i] > zero;
            const vec kept = WHERE(less, value, largest);
            ROW(beta, k)[i] = WHERE(can, kept, zero);
        }
}

/* One step of the smoother, backward over the days of a step of the filter. */
static TARGET void NAME(smooth_step)(Block *b, int day, int length)
{
    int size = b->p->states * LANES;
    double ratio[MOST_DAYS];
    bool moving = NAME(set_history)(b, day, length);
    if (length > 1 && moving) {
        NAME(set_ratios)(ratio, length);
        NAME(expand)(b, &b->p->graph[BACKWARD], b->beta);
        NAME(evaluate)(b, b->series, size, b->p->states, ratio, length, b->days_ahead);
        for (int d = 1; d < length; d++)
            NAME(smooth_day)(b, day + length - d, b->days_ahead + (Py_ssize_t)(d - 1) * size, false);
        memcpy(b->beta, b->days_ahead + (Py_ssize_t)(length - 1) * size, sizeof(double) * size);
    } else if (moving) {
        for (int part = 0; part < b->most_parts; part++) {
            ALIGNED double decay[LANES]; /* or many parts would grow beyond any double */
            for (int l = 0; l < LANES; l++)
                decay[l] = part < b->parts[l] ? exp(-b->reach[l]) : 1.0;
            NAME(advance)(b, &b->p->graph[BACKWARD], part, decay, b->beta);
        }
    } else
        for (int d = 1; d < length; d++)
            NAME(smooth_day)(b, day + length - d, b->beta, false);
}

static TARGET void NAME(smooth)(Block *b)
{
    const Problem *p = b->p;
    const Array *steps = &p->array[HISTORY_STEPS];
    for (int i = 0; i < p->states * LANES; i++)
        b->beta[i] = 1.0;
    NAME(smooth_day)(b, p->history, b->beta, true);
    for (Py_ssize_t s = steps->shape[0] - 1; s >= 0; s--) {
        int day = steps->i[2 * s], length = steps->i[2 * s + 1];
        NAME(uncondition)(b, day + length);
        NAME(smooth_step)(b, day, length);
        NAME(smooth_day)(b, day, b->beta, true);
    }
}

/* Put the generator so many days after the end of each lane's history in force. */
static TARGET void NAME(set_ahead)(Block *b, int ahead, int length)
{
    int segment[LANES];
    bool going[LANES];
    for (int l = 0; l < LANES; l++) {
        segment[l] = b->p->array[SEGMENT].i[b->days[l] + ahead];
        going[l] = true;
    }
    NAME(set_generator)(b, segment, -1, length);
    NAME(set_step)(b, length, going, &b->p->array[FORECAST_TERMS]);
    for (int l = 0; l < LANES; l++) {
        b->decay[l] = exp(-b->reach[l]);
        b->day_decay[l] = length == 1 ? b->decay[l] : exp(-b->most[l]);
    }
}

/* Row of what has entered a set. */
static INLINE TARGET int NAME(entered)(const Problem *p, int set)
{
    return p->array[PLACE].i[(set + 1) * (p->states + 1) + p->states];
}

/* What is written of a day ahead: marginal rows, then what has entered each set. */
static TARGET void NAME(reduce_ahead)(const Problem *p, const double *vector, double *rows)
{
    NAME(reduce)(p, p->array[ROW_AHEAD].i, vector, rows);
    for (int set = 0; set < p->sets; set++)
        EACH ROW(rows, p->rows + set)[i] = ROW_OF(vector, NAME(entered)(p, set))[i];
}

/* Write those of a day. */
static TARGET void NAME(store_ahead)(Block *b, int day, const double *rows)
{
    const Problem *p = b->p;
    for (int f = 0; f < p->rows; f++, rows += LANES)
        NAME(store)(b, rows, p->array[FORECAST].d + ((Py_ssize_t)day * p->rows + f) * p->batch);
    for (int set = 0; set < p->sets; set++, rows += LANES)
        NAME(store)(b, rows, p->array[PASSAGE].d + ((Py_ssize_t)day * p->sets + set) * p->batch);
}

/* The vectors ahead over a day. */
static TARGET void NAME(forecast_day)(Block *b, int ahead)
{
    for (int part = 0; part < b->most_parts; part++) {
        ALIGNED double decay[LANES];
        for (int l = 0; l < LANES; l++)
            decay[l] = part < b->parts[l] ? b->decay[l] : 1.0;
        NAME(advance)(b, &b->p->graph[AHEAD], part, decay, b->ahead);
    }
    NAME(reduce_ahead)(b->p, b->ahead, b->marginal);
    NAME(store_ahead)(b, ahead + 1, b->marginal);
}

/* b->total ← e^(Λt) exp(Gt) of the vectors ahead over a whole step; b->reduced[n] ← what is
 * written of each term. */
static TARGET void NAME(expand_ahead)(Block *b)
{
    const Graph *graph = &b->p->graph[AHEAD];
    const int size = (b->p->rows + b->p->sets) * LANES;
    const double *from = b->ahead;
    if (b->most_parts > 1)
        b->bad = true;
    memcpy(b->total, from, sizeof(double) * LANES * graph->rows);
    NAME(reduce_ahead)(b->p, from, b->reduced);
    for (int n = 1; n <= b->most_terms; n++) {
        double *to = b->work[n % 2];
        NAME(term)(graph, NAME(GATHER), b->rates, from, b->factors + n * LANES, b->total, NULL, to);
        NAME(reduce_ahead)(b->p, to, b->reduced + (Py_ssize_t)n * size);
        from = to;
    }
    b->operations += b->lane_terms * 2.0 * (graph->edges + graph->rows);
}

/* The vectors ahead over a step of several days. */
static TARGET void NAME(forecast_days)(Block *b, int ahead, int length)
{
    const int rows = b->p->rows + b->p->sets, size = rows * LANES;
    double ratio[MOST_DAYS];
    ALIGNED double decay[LANES];
    NAME(set_ratios)(ratio, length);
    NAME(expand_ahead)(b);
    for (int k = 0; k < b->p->graph[AHEAD].rows; k++)
        EACH ROW(b->ahead, k)[i] = ROW_OF(b->total, k)[i] * ROW_OF(b->decay, 0)[i];
    NAME(evaluate)(b, b->reduced, size, rows, ratio, length, b->days_ahead);
    memcpy(decay, b->day_decay, sizeof decay);
    for (int d = 0; d < length; d++) {
        NAME(scale_rows)(b->days_ahead + (Py_ssize_t)d * size, rows, decay);
        NAME(store_ahead)(b, ahead + 1 + d, b->days_ahead + (Py_ssize_t)d * size);
        for (int l = 0; l < LANES; l++)
            decay[l] *= b->day_decay[l];
    }
}

/* Start the chain, and beside it the chains outside the sets, with all that is inside entered. */
static TARGET void NAME(start_ahead)(Block *b)
{
    const Problem *p = b->p;
    const int32_t *place = p->array[PLACE].i;
    memset(b->ahead, 0, sizeof(double) * LANES * p->graph[AHEAD].rows);
    for (int chain = 0; chain <= p->sets; chain++, place++) /* past what has entered */
        for (int k = 0; k < p->states; k++, place++)
            EACH ROW(b->ahead, *place)[i] += ROW_OF(b->vector, k)[i];
    NAME(write_normalised)(b, &p->array[FORECAST], 0, b->vector);
    for (int set = 0; set < p->sets; set++)
        NAME(store)(b, b->ahead + NAME(entered)(p, set) * LANES,
                    p->array[PASSAGE].d + set * p->batch);
}

static TARGET void NAME(forecast)(Block *b)
{
    const Array *steps = &b->p->array[FORECAST_STEPS];
    NAME(start_ahead)(b);
    for (Py_ssize_t s = 0; s < steps->shape[0]; s++) {
        int ahead = steps->i[2 * s], length = steps->i[2 * s + 1];
        NAME(set_ahead)(b, ahead, length);
        if (length == 1)
            NAME(forecast_day)(b, ahead);
        else
            NAME(forecast_days)(b, ahead, length);
    }
}

/* Everything for one block. */
static TARGET void NAME(run_block)(Block *b)
{
    const Problem *p = b->p;
    for (int l = 0; l < LANES; l++) {
        b->days[l] = p->array[DAYS].i[b->lane + (l < b->live ? l : b->live - 1)];
        b->segment[l] = -1;
        b->impossible[l] = -1;
        b->next[l] = 0;
        b->loglik[l] = 0.0;
    }
    b->stretch = -2; /* none yet */
    for (int g = 0; g < p->rates; g++)
        NAME(load)(b, &p->array[RATES], g, b->base + g * LANES);
    memset(b->rates + (p->rates + p->states + 1) * LANES, 0, sizeof(double) * LANES);
    NAME(filter)(b);
    if (b->keep) {
        NAME(smooth)(b);
        NAME(forecast)(b);
    }
}

#undef vec
#undef mask
#undef WHERE
#undef PARTS
#undef PAIR
#undef WIDE
#undef EACH
#undef ROW
#undef ROW_OF
#undef AT
