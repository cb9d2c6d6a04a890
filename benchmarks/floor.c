/* The practical limit: the same event-driven algorithm, written by hand in plain C.

   One cycle shows one image: a free phase, then a nudged phase, then learning. A cell
   sends the change of its rate when that exceeds theta; the lateral circuit samples
   rates on a threshold of its own and is brought exact where z = B r is needed. The
   steps of the cycle, and their order, are those of neurosim's circuit. One source's
   weights are one contiguous row.

   In batches, images are shown one after the other with the same weights; then each row of
   weights adds up what they change, and takes it.

   Compiled with -DREAL=float or -DREAL=double. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

enum { MAX_LAYERS = 9 };

/* What the caller fills in; layer 0 is the image, layer `depth` the output. */
typedef struct {
    int32_t depth, free_steps, nudged_steps, learning;
    int32_t sizes[MAX_LAYERS];
    double step;       /* dt / tau_u */
    double g_l, g_A, g_B;
    double theta, sst_theta;
    double gamma_B, lambda_B;
    double c[MAX_LAYERS];      /* lateral efficacy of layer k */
    double mu_ff[MAX_LAYERS];  /* k -> k + 1 */
    double mu_fb[MAX_LAYERS];  /* k + 1 -> k */
    real *W_ff[MAX_LAYERS];    /* [n_k][n_k+1], row of one source */
    real *W_fb[MAX_LAYERS];    /* [n_k+1][n_k] */
    real *B[MAX_LAYERS];       /* [n_k][n_k] */
    int64_t spikes[MAX_LAYERS], samples[MAX_LAYERS];
} network;

/* What the cells of one layer note at the end of a phase. */
typedef struct {
    real *r, *e_B, *e_A;
} notes;

typedef struct {
    int n;
    real *u, *r, *r_sent, *r_lat;  /* soma, rate, last values sent */
    real *s_B, *s_A, *z;           /* delivered: basal, apical, lateral sums */
    real *change;                  /* of the cells that send in this step */
    int32_t *senders;
    uint8_t *flags;
    notes free, nudged;
} layer;

static real *zeros(int n) { return calloc((size_t)n + 8, sizeof(real)); }

static notes make_notes(int n) { return (notes){zeros(n), zeros(n), zeros(n)}; }

static layer make_layer(int n)
{
    layer cells = {.n = n};
    real **arrays[] = {&cells.u, &cells.r, &cells.r_sent, &cells.r_lat,
                       &cells.s_B, &cells.s_A, &cells.z, &cells.change};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
        *arrays[a] = zeros(n);
    cells.senders = calloc((size_t)n + 8, sizeof *cells.senders);
    cells.flags = calloc((size_t)n + 8, 1);
    cells.free = make_notes(n);
    cells.nudged = make_notes(n);
    return cells;
}

static void free_notes(notes noted) { free(noted.r); free(noted.e_B); free(noted.e_A); }

static void free_layer(layer cells)
{
    void *arrays[] = {cells.u, cells.r, cells.r_sent, cells.r_lat, cells.s_B,
                      cells.s_A, cells.z, cells.change, cells.senders, cells.flags};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
        free(arrays[a]);
    free_notes(cells.free);
    free_notes(cells.nudged);
}

/* ---------------------------------------------------------------- events */

/* Collect the flagged cells; most blocks of eight have none. */
static int collect(layer *cells)
{
    int count = 0;
    for (int block = 0; block < cells->n; block += 8) {
        uint64_t any;
        memcpy(&any, cells->flags + block, 8);
        if (!any)
            continue;
        for (int i = block; i < block + 8; i++)
            if (cells->flags[i])
                cells->senders[count++] = i;
    }
    return count;
}

/* Find the cells whose rate has moved by more than `threshold` since they last sent it. */
static int find_senders(layer *cells, real *restrict last, real threshold)
{
    const real *restrict r = cells->r;
    uint8_t *restrict flags = cells->flags;
    for (int i = 0; i < cells->n; i++) {
        real moved = r[i] - last[i];
        flags[i] = (moved > threshold) | (-moved > threshold);
    }
    int count = collect(cells);
    for (int s = 0; s < count; s++) {
        int i = cells->senders[s];
        cells->change[s] = r[i] - last[i];
        last[i] = r[i];
    }
    return count;
}

/* target += change * row, sender by sender; four rows share one pass over the target. */
static void deliver(const layer *cells, int count, const real *weights, int n,
                    real *restrict target)
{
    int s = 0;
    for (; s + 4 <= count; s += 4) {
        const real *restrict w0 = weights + (size_t)cells->senders[s] * n;
        const real *restrict w1 = weights + (size_t)cells->senders[s + 1] * n;
        const real *restrict w2 = weights + (size_t)cells->senders[s + 2] * n;
        const real *restrict w3 = weights + (size_t)cells->senders[s + 3] * n;
        real d0 = cells->change[s], d1 = cells->change[s + 1];
        real d2 = cells->change[s + 2], d3 = cells->change[s + 3];
        for (int j = 0; j < n; j++)
            target[j] = (((target[j] + w0[j] * d0) + w1[j] * d1) + w2[j] * d2) + w3[j] * d3;
    }
    for (; s < count; s++) {
        const real *restrict w = weights + (size_t)cells->senders[s] * n;
        real d = cells->change[s];
        for (int j = 0; j < n; j++)
            target[j] += w[j] * d;
    }
}

static void send(network *net, layer *layers, int k)
{
    layer *cells = &layers[k];
    int count = find_senders(cells, cells->r_sent, (real)net->theta);
    net->spikes[k] += count;
    if (k < net->depth)
        deliver(cells, count, net->W_ff[k], layers[k + 1].n, layers[k + 1].s_B);
    if (k > 1)
        deliver(cells, count, net->W_fb[k - 1], layers[k - 1].n, layers[k - 1].s_A);
}

static void sample(network *net, layer *layers, int k, int exact)
{
    layer *cells = &layers[k];
    int count = find_senders(cells, cells->r_lat, exact ? 0 : (real)net->sst_theta);
    net->samples[k] += count;
    deliver(cells, count, net->B[k], cells->n, cells->z);
}

/* ---------------------------------------------------------------- cells */

static void show(network *net, layer *layers, const real *image)
{
    for (int k = 1; k <= net->depth; k++) {
        layer *cells = &layers[k];
        real *arrays[] = {cells->u, cells->r, cells->r_sent, cells->r_lat,
                          cells->s_B, cells->s_A, cells->z};
        for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
            memset(arrays[a], 0, sizeof(real) * cells->n);
    }
    memcpy(layers[0].r, image, sizeof(real) * layers[0].n);
    memset(layers[0].r_sent, 0, sizeof(real) * layers[0].n);
    int count = find_senders(&layers[0], layers[0].r_sent, 0);
    net->spikes[0] += count;
    deliver(&layers[0], count, net->W_ff[0], layers[1].n, layers[1].s_B);
}

static void integrate_hidden(const network *net, layer *cells, real c)
{
    const real step = (real)net->step, g_l = (real)net->g_l;
    const real g_A = (real)net->g_A, g_B = (real)net->g_B, pull = g_l / g_A;
    real *restrict u = cells->u, *restrict r = cells->r;
    const real *restrict s_B = cells->s_B, *restrict s_A = cells->s_A, *restrict z = cells->z;
    for (int i = 0; i < cells->n; i++) {
        real v_A = c * z[i] + pull * r[i] + s_A[i];
        u[i] += step * (-g_l * u[i] + g_A * (v_A - u[i]) + g_B * (s_B[i] - u[i]));
        r[i] = u[i] < 0 ? 0 : u[i] > 1 ? 1 : u[i];
    }
}

static void integrate_output(const network *net, layer *cells, real c, const real *target,
                             real nudge)
{
    const real step = (real)net->step, g_l = (real)net->g_l, g_B = (real)net->g_B;
    for (int i = 0; i < cells->n; i++) {
        real u = cells->u[i], r = cells->r[i];
        real v_A = c * cells->z[i] + g_l * r - nudge * (r - target[i]);
        u += step * (-g_l * u + (v_A - u) + g_B * (cells->s_B[i] - u));
        cells->u[i] = u;
        cells->r[i] = u < 0 ? 0 : u > 1 ? 1 : u;
    }
}

static void take_notes(const layer *cells, const notes *noted)
{
    for (int i = 0; i < cells->n; i++) {
        noted->r[i] = cells->r[i];
        noted->e_B[i] = cells->r[i] - cells->s_B[i];
        noted->e_A[i] = cells->r[i] - cells->s_A[i];
    }
}

static void run_phase(network *net, layer *layers, int steps, const real *target, real nudge,
                      int nudged)
{
    for (int s = 0; s < steps; s++) {
        for (int k = 1; k < net->depth; k++)
            integrate_hidden(net, &layers[k], (real)net->c[k]);
        integrate_output(net, &layers[net->depth], (real)net->c[net->depth], target, nudge);
        for (int k = 1; k <= net->depth; k++) {
            send(net, layers, k);
            sample(net, layers, k, nudged && s == steps - 1);
        }
    }
    for (int k = 1; k <= net->depth && steps > 0; k++)
        take_notes(&layers[k], nudged ? &layers[k].nudged : &layers[k].free);
}

/* ---------------------------------------------------------------- synapses */

/* w += mu/beta (e_nudged r_nudged - e_free r_free), for the sources active in a phase. */
static void learn_row(real *restrict w, int n, real nudged_rate, real free_rate,
                      const real *restrict e_nudged, const real *restrict e_free)
{
    for (int j = 0; j < n; j++)
        w[j] += nudged_rate * e_nudged[j] - free_rate * e_free[j];
}

static void learn_contrast(real *weights, const notes *nudged, const notes *free_notes, int n_pre,
                           const real *e_nudged, const real *e_free, int n_post, real rate)
{
    for (int i = 0; i < n_pre; i++)
        if (nudged->r[i] != 0 || free_notes->r[i] != 0)
            learn_row(weights + (size_t)i * n_post, n_post, rate * nudged->r[i],
                      rate * free_notes->r[i], e_nudged, e_free);
}

/* The image is the same in both phases, so the two errors become one. */
static void learn_from_image(real *weights, const real *image, int n_pre, layer *post, real rate)
{
    real *restrict contrast = post->change;
    for (int j = 0; j < post->n; j++)
        contrast[j] = rate * (post->nudged.e_B[j] - post->free.e_B[j]);
    for (int i = 0; i < n_pre; i++) {
        real x = image[i], *restrict w = weights + (size_t)i * post->n;
        if (x != 0)
            for (int j = 0; j < post->n; j++)
                w[j] += x * contrast[j];
    }
}

static void learn_lateral(real *B, const layer *cells, real gamma, real lambda)
{
    const real *restrict z = cells->z;
    for (int i = 0; i < cells->n; i++) {
        real *restrict row = B + (size_t)i * cells->n, scaled = z[i] / lambda;
        for (int j = 0; j < cells->n; j++)
            row[j] += gamma * (row[j] - scaled * z[j]);
    }
}

static void learn(network *net, layer *layers, real beta)
{
    learn_from_image(net->W_ff[0], layers[0].r, layers[0].n, &layers[1],
                     (real)(net->mu_ff[0] / beta));
    for (int k = 1; k < net->depth; k++) {
        layer *low = &layers[k], *high = &layers[k + 1];
        learn_contrast(net->W_ff[k], &low->nudged, &low->free, low->n, high->nudged.e_B,
                       high->free.e_B, high->n, (real)(net->mu_ff[k] / beta));
        learn_contrast(net->W_fb[k], &high->nudged, &high->free, high->n, low->nudged.e_A,
                       low->free.e_A, low->n, (real)(net->mu_fb[k] / beta));
    }
    for (int k = 1; k <= net->depth; k++)
        learn_lateral(net->B[k], &layers[k], (real)net->gamma_B, (real)net->lambda_B);
}

/* ---------------------------------------------------------------- synapses, in batches */

/* The learning of a batch: `shown` holds the layers of each of its images. */
typedef struct {
    network *net;
    layer (*shown)[MAX_LAYERS];
    const real *betas;
    int count;
    real *sum;
} batch;

static void take_sum(const batch *b, real *restrict w, int n)
{
    const real *restrict sum = b->sum;
    for (int j = 0; j < n; j++)
        w[j] += sum[j];
}

static void batch_from_image(const batch *b)
{
    int n = b->net->sizes[1];
    for (int m = 0; m < b->count; m++) {
        layer *post = &b->shown[m][1];
        real rate = (real)(b->net->mu_ff[0] / b->betas[m]);
        for (int j = 0; j < n; j++)
            post->change[j] = rate * (post->nudged.e_B[j] - post->free.e_B[j]);
    }
    for (int i = 0; i < b->net->sizes[0]; i++) {
        int any = 0;
        real *restrict sum = b->sum;
        for (int m = 0; m < b->count; m++) {
            real x = b->shown[m][0].r[i];
            const real *restrict contrast = b->shown[m][1].change;
            if (x == 0)
                continue;
            if (!any++)
                memset(sum, 0, sizeof(real) * n);
            for (int j = 0; j < n; j++)
                sum[j] += x * contrast[j];
        }
        if (any)
            take_sum(b, b->net->W_ff[0] + (size_t)i * n, n);
    }
}

/* Synapses from layer `from` to layer `to`, with the errors that the receiving cells note. */
static void batch_contrast(const batch *b, real *weights, int from, int to, double mu)
{
    int n = b->net->sizes[to];
    for (int i = 0; i < b->net->sizes[from]; i++) {
        memset(b->sum, 0, sizeof(real) * n);
        for (int m = 0; m < b->count; m++) {
            const layer *pre = &b->shown[m][from], *post = &b->shown[m][to];
            real rate = (real)(mu / b->betas[m]), nudged = pre->nudged.r[i], free = pre->free.r[i];
            if (nudged != 0 || free != 0)
                learn_row(b->sum, n, rate * nudged, rate * free,
                          to > from ? post->nudged.e_B : post->nudged.e_A,
                          to > from ? post->free.e_B : post->free.e_A);
        }
        take_sum(b, weights + (size_t)i * n, n);
    }
}

static void batch_lateral(const batch *b, int k)
{
    int n = b->net->sizes[k];
    real gamma = (real)(pow(b->net->lambda_B, -b->count) - 1);
    real scale = (real)(1 / (b->count * pow(b->net->lambda_B, b->count)));
    for (int i = 0; i < n; i++) {
        real *restrict row = b->net->B[k] + (size_t)i * n, *restrict sum = b->sum;
        memset(sum, 0, sizeof(real) * n);
        int m = 0;
        for (; m + 4 <= b->count; m += 4) {
            const real *restrict z0 = b->shown[m][k].z, *restrict z1 = b->shown[m + 1][k].z;
            const real *restrict z2 = b->shown[m + 2][k].z, *restrict z3 = b->shown[m + 3][k].z;
            for (int j = 0; j < n; j++)
                sum[j] = (((sum[j] + z0[i] * z0[j]) + z1[i] * z1[j]) + z2[i] * z2[j]) +
                         z3[i] * z3[j];
        }
        for (; m < b->count; m++) {
            const real *restrict z = b->shown[m][k].z;
            for (int j = 0; j < n; j++)
                sum[j] += z[i] * z[j];
        }
        for (int j = 0; j < n; j++)
            row[j] += gamma * (row[j] - scale * sum[j]);
    }
}

static void learn_batch(const batch *b)
{
    network *net = b->net;
    batch_from_image(b);
    for (int k = 1; k < net->depth; k++) {
        batch_contrast(b, net->W_ff[k], k, k + 1, net->mu_ff[k]);
        batch_contrast(b, net->W_fb[k], k + 1, k, net->mu_fb[k]);
    }
    for (int k = 1; k <= net->depth; k++)
        batch_lateral(b, k);
}

/* ---------------------------------------------------------------- entry points */

int floor_network_bytes(void) { return (int)sizeof(network); }

/* Show n images one after the other, in batches; answers are the output rates at the end of
   the free phase. Without nudged steps nothing is learnt. */
void floor_run(network *net, int n, int per_batch, const real *images, const real *targets,
               const real *betas, real *answers)
{
    layer (*shown)[MAX_LAYERS] = calloc((size_t)per_batch, sizeof *shown);
    int depth = net->depth, n_in = net->sizes[0], n_out = net->sizes[depth], widest = 0;
    for (int k = 0; k <= depth; k++) {
        for (int m = 0; m < per_batch; m++)
            shown[m][k] = make_layer(net->sizes[k]);
        widest = net->sizes[k] > widest ? net->sizes[k] : widest;
    }
    real *sum = zeros(widest);
    for (int image = 0, m = 0; image < n; image++) {
        layer *layers = shown[m++];
        const real *target = targets + (size_t)image * n_out;
        show(net, layers, images + (size_t)image * n_in);
        run_phase(net, layers, net->free_steps, target, 0, 0);
        memcpy(answers + (size_t)image * n_out, layers[depth].r, sizeof(real) * n_out);
        /* the nudged phase begins with potentials equal to the rates */
        for (int k = 1; k <= depth; k++)
            memcpy(layers[k].u, layers[k].r, sizeof(real) * layers[k].n);
        run_phase(net, layers, net->nudged_steps, target, betas[image], 1);
        if (m < per_batch && image < n - 1)
            continue;
        if (net->learning && net->nudged_steps > 0) {
            batch all = {net, shown, betas + image + 1 - m, m, sum};
            if (per_batch == 1)
                learn(net, layers, betas[image]);
            else
                learn_batch(&all);
        }
        m = 0;
    }
    for (int m = 0; m < per_batch; m++)
        for (int k = 0; k <= depth; k++)
            free_layer(shown[m][k]);
    free(shown);
    free(sum);
}
