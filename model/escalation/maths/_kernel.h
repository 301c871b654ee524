/* The recursions of `filtering` on one block of LANES batch members, states first:
 * row k of a state vector holds state k of every lane.
 *
 * Included by _kernel.c once per instruction set, which defines
 *
 *   NAME(x)    x with the instruction set's suffix
 *   TARGET     the attribute that lets the compiler use it
 *   VECTOR     doubles in one of its registers
 *
 * Uniformisation (ctmc.py): A = G + ΛI has no negative entry, exp(Gt) = e^(−Λt) Σ_n (At)ⁿ/n!.
 * No lane knows its neighbours: each has its own Λ and its own number of terms, after which its
 * factor is zero, so that further terms add exactly nothing to it.
 */

#if VECTOR > 1
typedef double NAME(vec) __attribute__((vector_size(8 * VECTOR), may_alias));
#else
typedef double NAME(vec);
#endif
#define vec NAME(vec)
#define PARTS (LANES / VECTOR)
#define EACH UNROLL for (int i = 0; i < PARTS; i++)
#define ROW(rows, k) ((vec *)((rows) + (Py_ssize_t)(k) * LANES))
#define ROW_OF(rows, k) ((const vec *)((rows) + (Py_ssize_t)(k) * LANES))
#define AT(rows, offset) ((const vec *)((const char *)(rows) + (offset)))

/* One term: to = add + factor · A from, or factor · A from where `add` is null. */
static INLINE TARGET void NAME(term)(const Graph *graph, const double *rates, const double *from,
                                     const double *add, const double *factor, double *to)
{
    const vec *scale = (const vec *)factor;
    const Edge *edge = graph->edge;
    for (int state = 0; state < graph->states; state++) {
        const Edge *end = graph->edge + graph->first[state + 1];
        vec sum[PARTS];
        UNROLL
        for (int i = 0; i < PARTS; i++)
            sum[i] = (vec){0};
        for (; edge < end; edge++) {
            const vec *rate = AT(rates, RATE(*edge)), *source = AT(from, STATE(*edge));
            UNROLL
            for (int i = 0; i < PARTS; i++)
                sum[i] += rate[i] * source[i];
        }
        vec *out = (vec *)(to + state * LANES);
        const vec *plus = (const vec *)(add + state * LANES);
        UNROLL
        for (int i = 0; i < PARTS; i++)
            out[i] = add ? plus[i] + scale[i] * sum[i] : scale[i] * sum[i];
    }
}

/* Values of PAIR neighbouring polynomials Σ_n ratioⁿ·terms[n] at `count` ratios (Horner). */
static INLINE TARGET void NAME(horner)(const vec *term, int order, Py_ssize_t stride,
                                       const double *ratio, int count, vec *out, Py_ssize_t next)
{
    vec value[MOST_AT_ONCE][PAIR];
    term += order * stride;
    UNROLL
    for (int d = 0; d < count; d++)
        UNROLL
        for (int i = 0; i < PAIR; i++)
            value[d][i] = term[i];
    for (int n = order; n > 0; n--) {
        term -= stride;
        UNROLL
        for (int d = 0; d < count; d++)
            UNROLL
            for (int i = 0; i < PAIR; i++)
                value[d][i] = value[d][i] * ratio[d] + term[i];
    }
    UNROLL
    for (int d = 0; d < count; d++)
        UNROLL
        for (int i = 0; i < PAIR; i++)
            out[d * next + i] = value[d][i];
}

/* The polynomials of `rows` rows, `stride` doubles from term to term, at `count` ratios. */
static TARGET void NAME(evaluate)(Block *b, const double *terms, int stride, int rows,
                                  const double *ratio, int count, double *out)
{
    const Py_ssize_t step = stride / VECTOR, next = (Py_ssize_t)rows * PARTS;
    const int order = b->most_terms;
    b->operations += 2.0 * rows * count * b->lane_terms;
    while (count > 0) {
        int now = count < MOST_AT_ONCE ? count : MOST_AT_ONCE;
        for (Py_ssize_t at = 0; at < next; at += PAIR) {
            const vec *from = (const vec *)terms + at;
            vec *to = (vec *)out + at;
            if (now == 4)
                NAME(horner)(from, order, step, ratio, 4, to, next);
            else if (now == 3)
                NAME(horner)(from, order, step, ratio, 3, to, next);
            else if (now == 2)
                NAME(horner)(from, order, step, ratio, 2, to, next);
            else
                NAME(horner)(from, order, step, ratio, 1, to, next);
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
        for (int l = 0; l < LANES; l++)
            to[l] = data[b->lane + l];
    else
        for (int l = 0; l < LANES; l++)
            to[l] = data[b->lane + (l < b->live ? l : b->live - 1)];
}

static INLINE TARGET void NAME(store)(const Block *b, const double *from, double *row)
{
    if (b->live == LANES)
        for (int l = 0; l < LANES; l++)
            row[b->lane + l] = from[l];
    else
        for (int l = 0; l < b->live; l++)
            row[b->lane + l] = from[l];
}

/* Rates of the segments in force, and how fast each state is left. */
static TARGET void NAME(set_rates)(Block *b, const int *segment)
{
    const Problem *p = b->p;
    const Array *multipliers = &p->array[MULTIPLIERS];
    Py_ssize_t segments = multipliers->shape[1];
    bool one = true;
    for (int l = 1; l < LANES; l++)
        one = one && segment[l] == segment[0];
    for (int c = 0; c < p->modulators; c++) {
        double *factor = b->factor + c * LANES;
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
        double *rate = b->rates + g * LANES;
        const double *base = b->base + g * LANES;
        if (by >= 0)
            EACH ROW(rate, 0)[i] = ROW_OF(base, 0)[i] * ROW_OF(b->factor, by)[i];
        else
            memcpy(rate, base, sizeof(double) * LANES);
    }
    const Graph *out = &p->graph[BACKWARD];
    for (int k = 0; k < p->states; k++) {
        const Edge *edge = out->edge + out->first[k] + 1; /* the first is the stay */
        vec leave[PARTS];
        EACH leave[i] = (vec){0};
        for (; edge < out->edge + out->first[k + 1]; edge++)
            EACH leave[i] += AT(b->rates, RATE(*edge))[i];
        EACH ROW(b->leave, k)[i] = leave[i];
    }
}

/* Put the generator of a day in force: Λ, and the rates at which each state stays. */
static TARGET void NAME(set_generator)(Block *b, const int *segment, int stretch)
{
    const Problem *p = b->p;
    bool same = true;
    for (int l = 0; l < LANES; l++)
        same = same && b->segment[l] == segment[l];
    if (same && b->stretch == stretch)
        return;
    if (!same) {
        NAME(set_rates)(b, segment);
        memcpy(b->segment, segment, sizeof b->segment);
    }
    b->stretch = stretch;
    double *stay = b->rates + p->rates * LANES;
    double *most = stay + p->states * LANES; /* Λ is the stay of an absorbing state */
    ALIGNED double least[LANES], top[LANES] = {0.0};
    for (int l = 0; l < LANES; l++)
        least[l] = stretch < 0 ? 0.0 : HUGE_VAL;
    for (int k = 0; k < p->states && stretch >= 0; k++) {
        double *killing = stay + k * LANES;
        NAME(load)(b, &p->array[KILLING], (Py_ssize_t)stretch * p->states + k, killing);
        for (int l = 0; l < LANES; l++)
            least[l] = killing[l] < least[l] ? killing[l] : least[l];
    }
    for (int k = 0; k < p->states; k++) {
        double *here = stay + k * LANES;
        const double *leave = b->leave + k * LANES;
        for (int l = 0; l < LANES; l++) {
            double rate = stretch < 0 ? leave[l] : leave[l] + (here[l] - least[l]);
            here[l] = rate;
            top[l] = rate > top[l] ? rate : top[l];
        }
    }
    for (int k = 0; k < p->states; k++)
        EACH ROW(stay, k)[i] = ROW_OF(top, 0)[i] - ROW_OF(stay, k)[i];
    memcpy(b->least, least, sizeof least);
    memcpy(most, top, sizeof top);
    b->most = most;
    b->operations += b->live * (double)(p->rates + p->graph[BACKWARD].first[p->states] + 2 * p->states);
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
        double reach = going[l] ? b->most[l] * days : 0.0;
        if (!(reach <= MOST_REACH)) {
            b->bad = true;
            reach = 0.0;
        }
        int parts = reach > 0.0 ? (int)ceil(reach / PART_REACH) : 0;
        int terms = 0;
        if (parts > 0) {
            reach /= parts;
            terms = table->i[(int)ceil(reach * RESOLUTION)];
            terms = terms > b->p->least_terms ? terms : b->p->least_terms;
        }
        b->reach[l] = reach;
        b->parts[l] = parts;
        b->terms[l] = terms;
        b->span[l] = parts > 0 ? (double)days / parts : 0.0;
        b->most_terms = terms > b->most_terms ? terms : b->most_terms;
        b->most_parts = parts > b->most_parts ? parts : b->most_parts;
        b->lane_terms += l < b->live ? terms : 0;
    }
    NAME(set_factors)(b, 0);
}

/* vector ← e^(Λt) exp(Gt) vector over one part of a step. */
static TARGET void NAME(advance)(Block *b, const Graph *graph, int part, double *vector)
{
    const double *from = vector;
    if (b->part != part)
        NAME(set_factors)(b, part);
    for (int n = b->most_terms; n > 0; n--) {
        double *to = n % 2 ? b->work[0] : b->work[1];
        NAME(term)(graph, b->rates, from, vector, b->factors + n * LANES, to);
        from = to;
    }
    if (from != vector)
        memcpy(vector, from, sizeof(double) * LANES * graph->states);
    b->operations += b->lane_terms * (2.0 * graph->first[graph->states] + 2.0 * graph->states);
}

/* b->series[n] ← (At)ⁿ/n! vector over a whole step. */
static TARGET void NAME(expand)(Block *b, const Graph *graph, const double *vector)
{
    int size = graph->states * LANES;
    memcpy(b->series, vector, sizeof(double) * size);
    if (b->most_parts > 1)
        b->bad = true;
    for (int n = 1; n <= b->most_terms; n++) {
        double *to = b->series + (Py_ssize_t)n * size;
        NAME(term)(graph, b->rates, to - size, NULL, b->factors + n * LANES, to);
    }
    b->operations += b->lane_terms * (2.0 * graph->first[graph->states] + graph->states);
}

/* Add up the states of each marginal row. */
static TARGET void NAME(reduce)(const Problem *p, const double *vector, double *rows)
{
    const int32_t *first = p->array[ROW_FIRST].i, *state = p->array[ROW_STATE].i;
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
    NAME(reduce)(p, vector, b->marginal);
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
        for (int l = 0; l < LANES; l++)
            b->joint[k * LANES + l] = b->vector[k * LANES + l] * b->likelihood[k * LANES + l];
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
    for (int k = 0; k < p->states; k++)
        for (int l = 0; l < LANES; l++) {
            Py_ssize_t at = k * LANES + l;
            b->vector[at] = inverse[l] > 0.0 ? b->joint[at] * inverse[l] : b->vector[at];
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
        for (int k = 0; k < b->p->states; k++)
            for (int l = 0; l < LANES; l++) {
                double *beta = b->beta + k * LANES + l;
                double seen = *beta * b->likelihood[k * LANES + l] * rescale[l] * inverse[l];
                seen = seen < LARGEST ? seen : LARGEST;
                *beta = inverse[l] > 0.0 ? seen : *beta;
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
    NAME(set_generator)(b, segment, b->p->array[KILLING_SEGMENT].i[day]);
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
            NAME(advance)(b, &b->p->graph[FORWARD], part, b->vector);
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
    for (int i = 0; i < states * LANES; i++)
        b->joint[i] = filtered[i] * beta[i];
    NAME(sum_rows)(b->joint, states, total);
    for (int l = 0; l < LANES; l++)
        total[l] = 1.0 / total[l];
    NAME(write)(b, &b->p->array[SMOOTHED], day, b->joint, total);
    for (int k = 0; settle && k < states; k++)
        for (int l = 0; l < LANES; l++) {
            double value = beta[k * LANES + l] * total[l];
            value = value < LARGEST ? value : LARGEST;
            beta[k * LANES + l] = filtered[k * LANES + l] > 0.0 ? value : 0.0;
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
        for (int part = 0; part < b->most_parts; part++)
            NAME(advance)(b, &b->p->graph[BACKWARD], part, b->beta);
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
    NAME(set_generator)(b, segment, -1);
    NAME(set_step)(b, length, going, &b->p->array[FORECAST_TERMS]);
    for (int l = 0; l < LANES; l++) {
        b->decay[l] = exp(-b->reach[l]);
        b->day_decay[l] = length == 1 ? b->decay[l] : exp(-b->most[l]);
    }
}

/* A forecast vector over a step. Of a step of several days, each day's marginals, or with
 * `absorbing` the last state alone, are left in b->days_ahead. */
static TARGET void NAME(forecast_step)(Block *b, const Graph *graph, double *vector, int length,
                                       bool absorbing)
{
    const Problem *p = b->p;
    int size = graph->states * LANES, rows = absorbing ? 1 : p->rows;
    double ratio[MOST_DAYS], one = 1.0;
    if (length == 1) {
        for (int part = 0; part < b->most_parts; part++) {
            ALIGNED double decay[LANES];
            for (int l = 0; l < LANES; l++)
                decay[l] = part < b->parts[l] ? b->decay[l] : 1.0;
            NAME(advance)(b, graph, part, vector);
            NAME(scale_rows)(vector, graph->states, decay);
        }
        return;
    }
    NAME(set_ratios)(ratio, length);
    NAME(expand)(b, graph, vector);
    NAME(evaluate)(b, b->series, size, graph->states, &one, 1, vector);
    NAME(scale_rows)(vector, graph->states, b->decay);
    if (absorbing) {
        NAME(evaluate)(b, b->series + size - LANES, size, 1, ratio, length, b->days_ahead);
    } else {
        for (int n = 0; n <= b->most_terms; n++)
            NAME(reduce)(p, b->series + (Py_ssize_t)n * size,
                         b->reduced + (Py_ssize_t)n * rows * LANES);
        NAME(evaluate)(b, b->reduced, rows * LANES, rows, ratio, length, b->days_ahead);
    }
    ALIGNED double decay[LANES];
    memcpy(decay, b->day_decay, sizeof decay);
    for (int d = 0; d < length; d++) {
        NAME(scale_rows)(b->days_ahead + (Py_ssize_t)d * rows * LANES, rows, decay);
        for (int l = 0; l < LANES; l++)
            decay[l] *= b->day_decay[l];
    }
}

static TARGET void NAME(forecast_marginals)(Block *b, int ahead, int length)
{
    const Problem *p = b->p;
    const Array *out = &p->array[FORECAST];
    ALIGNED double one[LANES];
    for (int l = 0; l < LANES; l++)
        one[l] = 1.0;
    NAME(forecast_step)(b, &p->graph[FORWARD], b->vector, length, false);
    if (length == 1) {
        NAME(write)(b, out, ahead + 1, b->vector, one);
        return;
    }
    for (int d = 0; d < length; d++)
        for (int f = 0; f < p->rows; f++)
            NAME(store)(b, b->days_ahead + (d * p->rows + f) * LANES,
                        out->d + ((Py_ssize_t)(ahead + 1 + d) * p->rows + f) * p->batch);
}

static TARGET void NAME(forecast_passage)(Block *b, int set, int ahead, int length)
{
    const Problem *p = b->p;
    const Graph *graph = &p->graph[PASSAGES + set];
    double *vector = b->outside[set], *inside = vector + (graph->states - 1) * LANES;
    NAME(forecast_step)(b, graph, vector, length, true);
    for (int d = 0; d < length; d++)
        NAME(store)(b, length == 1 ? inside : b->days_ahead + d * LANES,
                    p->array[PASSAGE].d + ((Py_ssize_t)(ahead + 1 + d) * p->sets + set) * p->batch);
}

/* Start the chain outside a set, with all that is inside in its last, absorbing state. */
static TARGET void NAME(start_passage)(Block *b, int set)
{
    const Problem *p = b->p;
    double *vector = b->outside[set];
    double *inside = vector + (p->graph[PASSAGES + set].states - 1) * LANES;
    for (int l = 0; l < LANES; l++)
        inside[l] = 0.0;
    for (int k = 0; k < p->states; k++) {
        bool in = p->array[SETS].i[set * p->states + k] != 0;
        for (int l = 0; l < LANES; l++)
            if (in)
                inside[l] += b->vector[k * LANES + l];
            else
                vector[l] = b->vector[k * LANES + l];
        vector += in ? 0 : LANES;
    }
    NAME(store)(b, inside, p->array[PASSAGE].d + set * p->batch);
}

static TARGET void NAME(forecast)(Block *b)
{
    const Problem *p = b->p;
    const Array *steps = &p->array[FORECAST_STEPS];
    NAME(write_normalised)(b, &p->array[FORECAST], 0, b->vector);
    for (int set = 0; set < p->sets; set++)
        NAME(start_passage)(b, set);
    for (Py_ssize_t s = 0; s < steps->shape[0]; s++) {
        int ahead = steps->i[2 * s], length = steps->i[2 * s + 1];
        NAME(set_ahead)(b, ahead, length);
        NAME(forecast_marginals)(b, ahead, length);
        for (int set = 0; set < p->sets; set++)
            NAME(forecast_passage)(b, set, ahead, length);
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
    b->stretch = -2;
    for (int g = 0; g < p->rates; g++)
        NAME(load)(b, &p->array[RATES], g, b->base + g * LANES);
    NAME(filter)(b);
    if (b->keep) {
        NAME(smooth)(b);
        NAME(forecast)(b);
    }
}

#undef vec
#undef PARTS
#undef EACH
#undef ROW
#undef ROW_OF
#undef AT
