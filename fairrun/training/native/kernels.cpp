// The passes of a multi-layer perceptron with ReLU, and of optimizers, over a stack of runs, in float32 on one thread.
//
// Every run is computed by itself and in one fixed order, so it is the same in any stack, bit for bit.  Weights are
// [in, out] and a layer is out = relu(in W + b).  The input is one-hot for the most part: the first layer takes a row's
// non-zero columns only (13 of 100 on Adult), and is left with a tenth of the time of a step.  Where more than a share
// SPARSE of a run's numbers are not zero, it is a product like the others; each run's own rows decide.  Products reach
// 114 of the 117 GFLOP/s of a Zen 4 core, and 118 of 140 of a Sapphire Rapids core.  `rows` is a multiple of 4.
//
// A vector holds units of one row, so every width is padded to a multiple of 16: the activations by units that are zero
// (relu of a zero weight and bias), weights and biases by zeros when a pass comes to them.
//
// Rows at the end that repeat the one before are copied, and those whose slope is 0 left out: the padding of a batch.
//
// A network is a trunk and heads on it, each with layers of its own and a linear unit: an MLP has one head, the unit
// alone.
//
// Letters: R runs, B rows, D features, H width, K depth of the trunk, T heads, J depth of a head,
// C units of the last layer.  A tensor with a run axis comes with its stride.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int LANES = 16, VECTORS = 4;  // a tile of 4 rows and VECTORS vectors fills the registers
#elif defined(__AVX__)
constexpr int LANES = 8, VECTORS = 2;
#else
constexpr int LANES = 4, VECTORS = 4;
#endif

namespace {

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

constexpr int64_t TILE = 4;    // rows of a tile
constexpr int64_t BLOCK = 64;  // summands of a product before its sums go back to memory: a block stays in L1
constexpr int64_t DENSE_BLOCK = 256;  // the same for a dense first layer, whose weights come from L2
constexpr float SPARSE = 0.25f;  // measured: up to it, a pass over what is not zero is faster than a product

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline Vec broadcast(float v) { return v - Vec{}; }  // v + 0 would be an addition, because -0 + 0 is 0
inline Vec relu(Vec v) { return v < Vec{} ? Vec{} : v; }  // of NaN it is NaN
inline Vec where_positive(Vec a, Vec v) { return a > Vec{} ? v : Vec{}; }
inline Vec in_register(Vec v) {  // else the compiler loads it again for each of its uses
#if defined(__x86_64__)
    asm("" : "+v"(v));
#endif
    return v;
}
inline float sum(Vec v) {
    float total = 0;
    for (int lane = 0; lane < LANES; lane++) total += v[lane];
    return total;
}

enum Finish { NOTHING, RELU, MASK };

// Calls f.template operator()<N>(column) for the columns [0, width) in blocks of N vectors.
template <class F>
inline void columns(int64_t width, F f) {
    int64_t j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES) f.template operator()<VECTORS>(j);
    const int64_t rest = (width - j) / LANES;
    if (rest == 1) f.template operator()<1>(j);
    if constexpr (VECTORS == 4) {
        if (rest == 2) f.template operator()<2>(j);
        if (rest == 3) f.template operator()<3>(j);
    }
}

// c [4, N] = finish(start + a b) with a [4, num], b [num, N]; a is the transpose of [num, 4] where TRANSPOSED.
template <int N, bool TRANSPOSED, Finish FINISH>
inline void tile(int64_t num, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc,
                 const float* start, int64_t start_stride, const float* mask) {
    Vec sums[TILE][N];
    for (int i = 0; i < TILE; i++)
        for (int n = 0; n < N; n++) sums[i][n] = start ? load(start + i * start_stride + n * LANES) : Vec{};
    for (int64_t k = 0; k < num; k++) {
        Vec row[N];
        for (int n = 0; n < N; n++) row[n] = in_register(load(b + k * ldb + n * LANES));
        for (int i = 0; i < TILE; i++) {
            const Vec factor = broadcast(TRANSPOSED ? a[k * lda + i] : a[i * lda + k]);
            for (int n = 0; n < N; n++) sums[i][n] += factor * row[n];
        }
    }
    for (int i = 0; i < TILE; i++)
        for (int n = 0; n < N; n++) {
            Vec v = sums[i][n];
            if (FINISH == RELU) v = relu(v);
            if (FINISH == MASK) v = where_positive(load(mask + i * ldc + n * LANES), v);
            store(c + i * ldc + n * LANES, v);
        }
}

// c [rows, width] = finish(start + a b), a [rows, num] or its transpose, b [num, width].  The start is c itself where
// `add`, else the bias, or nothing.
template <bool TRANSPOSED, Finish FINISH>
void product(int64_t rows, int64_t num, int64_t width, const float* a, int64_t lda, const float* b, float* c,
             const float* bias, const float* mask, int64_t block = BLOCK, bool add = false) {
    columns(width, [&]<int N>(int64_t j) {
        for (int64_t k = 0; k < num; k += block) {
            const int64_t len = num - k < block ? num - k : block;
            const bool last = k + len == num;
            for (int64_t i = 0; i < rows; i += TILE) {
                const float* from = TRANSPOSED ? a + k * lda + i : a + i * lda + k;
                float* to = c + i * width + j;
                const bool on = k > 0 || add;
                const float* start = on ? to : bias ? bias + j : nullptr;
                const int64_t stride = on ? width : 0;
                const float* where = mask ? mask + i * width + j : nullptr;
                if (last)
                    tile<N, TRANSPOSED, FINISH>(len, from, lda, b + k * width + j, width, to, width, start, stride, where);
                else
                    tile<N, TRANSPOSED, NOTHING>(len, from, lda, b + k * width + j, width, to, width, start, stride, where);
            }
        }
    });
}

// Room for `num` numbers, at the start of a line of the cache: a vector that lies across two lines takes twice as long.
class Memory {
    std::unique_ptr<float[]> whole;

   public:
    explicit Memory(int64_t num) : whole(new float[num + 16]) {}
    float* start() const { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(whole.get()) + 63) / 64 * 64); }
};

inline int64_t padded(int64_t width) { return (width + 15) / 16 * 16; }

// w [rows, width] with zeros behind each row: w itself where its width is a multiple of 16, else a copy in `memory`.
const float* widened(int64_t rows, int64_t width, const float* w, float* memory) {
    const int64_t stride = padded(width);
    if (stride == width) return w;
    for (int64_t i = 0; i < rows; i++) {
        std::memcpy(memory + i * stride, w + i * width, width * sizeof(float));
        std::memset(memory + i * stride + width, 0, (stride - width) * sizeof(float));
    }
    return memory;
}

// out [width, padded(rows)] = scale times the transpose of w [rows, width], with zeros behind each row
void transpose(int64_t rows, int64_t width, const float* w, float scale, float* out) {
    const int64_t stride = padded(rows);
    for (int64_t j = 0; j < stride; j += 16) {  // sixteen rows of w stay in L1
        const int64_t end = std::min(j + 16, rows);
        for (int64_t i = 0; i < width; i++) {
            for (int64_t k = j; k < end; k++) out[i * stride + k] = scale * w[k * width + i];
            for (int64_t k = end; k < j + 16; k++) out[i * stride + k] = 0;
        }
    }
}

// Whether more than a share SPARSE of the numbers of x are not zero.
bool is_dense(int64_t num, const float* x) {
    int64_t count = 0, k = 0;
#if defined(__AVX512F__)
    for (; k + 16 <= num; k += 16)
        count += __builtin_popcount(_mm512_cmp_ps_mask(_mm512_loadu_ps(x + k), _mm512_setzero_ps(), _CMP_NEQ_UQ));
#endif
    for (; k < num; k++) count += x[k] != 0;
    return count > SPARSE * num;
}

// The non-zero columns of rows of x and their values.
struct Entries {
    int64_t* ends;  // [B], where the entries of each row end
    int32_t* column;
    float* value;

    void leave_out(int64_t n, int64_t rows) const { std::fill_n(ends, rows, n); }

    void fill(int64_t n, int64_t rows, int64_t features, const float* x) const {
        for (int64_t i = 0; i < rows; i++, x += features) {
            int64_t k = 0;
#if defined(__AVX512F__)
            __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            for (; k < features; k += 16, index = _mm512_add_epi32(index, _mm512_set1_epi32(16))) {
                const __mmask16 inside = features - k < 16 ? (1u << (features - k)) - 1 : 0xffff;
                const __m512 v = _mm512_maskz_loadu_ps(inside, x + k);
                const __mmask16 kept = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
                _mm512_storeu_si512(column + n, _mm512_maskz_compress_epi32(kept, index));
                _mm512_storeu_ps(value + n, _mm512_maskz_compress_ps(kept, v));
                n += __builtin_popcount(kept);
            }
#endif
            for (; k < features; k++) {
                column[n] = k;
                value[n] = x[k];
                n += x[k] != 0;
            }
            ends[i] = n;
        }
    }
};

// out [rows, width] = relu(bias + x w)
void first_layer(int64_t rows, int64_t width, Entries x, int64_t first, const float* w, const float* bias, float* out) {
    columns(width, [&]<int N>(int64_t j) {
        int64_t e = first;
        for (int64_t i = 0; i < rows; i++) {
            Vec sums[N];
            for (int n = 0; n < N; n++) sums[n] = load(bias + j + n * LANES);
            for (; e < x.ends[i]; e++) {
                const float* row = w + x.column[e] * width + j;
                const Vec factor = broadcast(x.value[e]);
                for (int n = 0; n < N; n++) sums[n] += factor * load(row + n * LANES);
            }
            for (int n = 0; n < N; n++) store(out + i * width + j + n * LANES, relu(sums[n]));
        }
    });
}

// dw [features, width] = x^T d
void first_layer_gradient(int64_t features, int64_t rows, int64_t width, Entries x, int64_t first, const float* d,
                          float* dw) {
    std::memset(dw, 0, features * width * sizeof(float));
    columns(width, [&]<int N>(int64_t j) {
        int64_t e = first;
        for (int64_t i = 0; i < rows; i++) {
            Vec delta[N];
            for (int n = 0; n < N; n++) delta[n] = load(d + i * width + j + n * LANES);
            for (; e < x.ends[i]; e++) {
                float* row = dw + x.column[e] * width + j;
                const Vec factor = broadcast(x.value[e]);
                for (int n = 0; n < N; n++) store(row + n * LANES, load(row + n * LANES) + factor * delta[n]);
            }
        }
    });
}

// dw [features, width] = x^T d, by a product of the features in tiles, and then of the few that are left
void dense_layer_gradient(int64_t features, int64_t rows, int64_t width, const float* x, const float* d, float* dw) {
    const int64_t whole = features / TILE * TILE;
    product<true, NOTHING>(whole, rows, width, x, features, d, dw, nullptr, nullptr);
    std::memset(dw + whole * width, 0, (features - whole) * width * sizeof(float));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = whole; k < features; k++) {
            const Vec factor = broadcast(x[i * features + k]);
            for (int64_t j = 0; j < width; j += LANES)
                store(dw + k * width + j, load(dw + k * width + j) + factor * load(d + i * width + j));
        }
}

// out [rows] = bias + a w, a [rows, width]
void last_layer(int64_t rows, int64_t width, const float* a, const float* w, float bias, float* out) {
    for (int64_t i = 0; i < rows; i++) {
        Vec total = {};
        for (int64_t j = 0; j < width; j += LANES) total += load(a + i * width + j) * load(w + j);
        out[i] = bias + sum(total);
    }
}

// d [rows, width] = scale g w^T where a > 0, on top of what it is where `add`; dw [width] = a^T g; dlower [width] = sum
// of d: the bias of the layer below
void last_layer_gradient(int64_t rows, int64_t width, const float* a, const float* w, float scale, const float* g,
                         float* d, bool add, float* dw, float* dlower) {
    columns(width, [&]<int N>(int64_t j) {
        Vec weight[N], dweight[N] = {}, total[N] = {};
        for (int n = 0; n < N; n++) weight[n] = scale * load(w + j + n * LANES);
        for (int64_t i = 0; i < rows; i++) {
            const Vec factor = broadcast(g[i]);
            for (int n = 0; n < N; n++) {
                const Vec unit = load(a + i * width + j + n * LANES);
                Vec delta = where_positive(unit, factor * weight[n]);
                if (add) delta += load(d + i * width + j + n * LANES);
                dweight[n] += factor * unit;
                total[n] += delta;
                store(d + i * width + j + n * LANES, delta);
            }
        }
        for (int n = 0; n < N; n++) {
            store(dw + j + n * LANES, dweight[n]);
            store(dlower + j + n * LANES, total[n]);
        }
    });
}

// a [rows, padded(width)] *= mask [rows, width]
void drop(int64_t rows, int64_t width, const float* mask, float* a) {
    const int64_t stride = padded(width);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) a[i * stride + j] *= mask[i * width + j];
}

// out [width] = the sum of the rows of a [rows, width]
void column_sums(int64_t rows, int64_t width, const float* a, float* out) {
    columns(width, [&]<int N>(int64_t j) {
        Vec sums[N] = {};
        for (int64_t i = 0; i < rows; i++)
            for (int n = 0; n < N; n++) sums[n] += load(a + i * width + j + n * LANES);
        for (int n = 0; n < N; n++) store(out + j + n * LANES, sums[n]);
    });
}

void adam_numbers(int64_t num, const float* __restrict q, const float* __restrict g, float* __restrict new_q,
                  const float* __restrict m, const float* __restrict v, float* __restrict new_m,
                  float* __restrict new_v, float lr, float eps, float w1, float w2) {
    for (int64_t i = 0; i < num; i++) {
        const float mean = m[i] + w1 * (g[i] - m[i]), square = v[i] + w2 * (g[i] * g[i] - v[i]);
        new_m[i] = mean;
        new_v[i] = square;
        new_q[i] = q[i] - lr * mean / (std::sqrt(square) + eps);
    }
}

void adagrad_numbers(int64_t num, const float* __restrict q, const float* __restrict g, float* __restrict new_q,
                     const float* __restrict total, float* __restrict new_total, float lr, float eps) {
    for (int64_t i = 0; i < num; i++) {
        const float sum = total[i] + g[i] * g[i];
        new_total[i] = sum;
        new_q[i] = q[i] - lr * g[i] / (std::sqrt(sum) + eps);
    }
}

// How many rows of x there are before a tail that repeats the last of them, as padding does; a multiple of TILE.
int64_t distinct(int64_t rows, int64_t features, const float* x) {
    int64_t end = rows;
    const auto row = [&](int64_t i) { return x + i * features; };
    while (end > 1 && std::memcmp(row(end - 1), row(end - 2), features * sizeof(float)) == 0) end--;
    return (end + TILE - 1) / TILE * TILE;
}

// How many rows of g [T, B, C] there are before a tail that is 0 in every head; a multiple of TILE.
int64_t with_slope(int64_t heads, int64_t rows, int64_t units, const float* g) {
    int64_t end = 1;
    for (int64_t t = 0; t < heads; t++, g += rows * units) {
        int64_t k = rows * units;
        while (k > end * units && g[k - 1] == 0) k--;
        end = std::max(end, (k + units - 1) / units);
    }
    return (end + TILE - 1) / TILE * TILE;
}

// R, B, K, T, J, and D followed by the width of each hidden layer, the trunk's and then a head's, and by C.  Layer k on
// the way to a head's logits is the trunk's if k < K, else the head's; layer K + J is the linear one.
struct Shape {
    int64_t runs, rows, trunk, heads, depth;  // depth: K + J
    const int64_t* sizes;

    explicit Shape(const int64_t* n)
        : runs(n[0]), rows(n[1]), trunk(n[2]), heads(n[3]), depth(n[2] + n[4]), sizes(n + 5) {}

    int64_t stride(int64_t k) const { return padded(sizes[k]); }
    int64_t widest() const {
        int64_t most = 0;
        for (int64_t k = 1; k <= depth + 1; k++) most = std::max(most, stride(k));
        return most;
    }
    int64_t largest() const {  // numbers of a padded weight or of its transpose
        int64_t most = 0;
        for (int64_t k = 0; k <= depth; k++) most = std::max(most, stride(k) * stride(k + 1));
        return most;
    }
    int64_t units() const { return sizes[depth + 1]; }
    // Where the weight of a layer is among the parameters; its bias is next.
    int64_t weight(int64_t head, int64_t k) const { return 2 * (k < trunk ? k : k + head * (depth - trunk + 1)); }
    // Where the output of a hidden layer is among the activations.
    int64_t output(int64_t head, int64_t k) const { return k < trunk ? k : k + head * (depth - trunk); }
};

}  // namespace

extern "C" {

// logits [R, T, B] of x [R, B, D]; where C > 1 [R, T, B, C].  p and strides: weight and bias of each layer, the trunk's
// and then each head's.  masks: of dropout, [R, B, H] for each layer of the trunk, or null.
// Kept for `mlp_gradient`: activations of each hidden layer in the order of p, [R, B, padded H]; whether each run's x
// is dense, [R]; the entries of those that are not, ends [R, B], column and value [R B D + 16].  Without `keep` there
// is room for the activations of one run only, [1, B, padded H], which stays in the cache.
void mlp_logits(const int64_t* numbers, const float* x, int64_t x_stride, const float* const* p, const int64_t* stride,
                float* const* activations, int64_t* ends, int32_t* column, float* value, uint8_t* dense,
                const float* const* masks, int64_t keep, float* logits) {
    const Shape shape(numbers);
    const int64_t rows = shape.rows, *sizes = shape.sizes, largest = shape.largest();
    const Memory memory(largest + shape.widest() + rows * padded(shape.units()));
    float *weights = memory.start(), *biases = weights + largest, *wide = biases + shape.widest();
    for (int64_t r = 0; r < shape.runs; r++) {
        const auto part = [&](int64_t c, int64_t num, int64_t width, float* room) {
            return widened(num, width, p[c] + r * stride[c], room);
        };
        const int64_t own = x_stride == 0 ? 0 : r * rows;  // 0: all runs see the same rows
        const int64_t first = own == 0 ? 0 : ends[own - 1];
        const Entries entries{ends + own, column, value};
        if (own == r * rows) {
            dense[r] = is_dense(rows * sizes[0], x + r * x_stride);
            if (dense[r])
                entries.leave_out(first, rows);
            else
                entries.fill(first, rows, sizes[0], x + r * x_stride);
        } else {
            dense[r] = dense[0];
        }
        const int64_t used = masks ? rows : distinct(rows, sizes[0], x + r * x_stride);
        const auto layer = [&](int64_t head, int64_t k, const float* a) -> const float* {
            const int64_t c = shape.weight(head, k), width = shape.stride(k + 1);
            const float* w = part(c, sizes[k], sizes[k + 1], weights);
            const float* bias = part(c + 1, 1, sizes[k + 1], biases);
            float* next = k == shape.depth ? wide : activations[shape.output(head, k)] + (keep ? r * rows * width : 0);
            if (k == shape.depth)
                product<false, NOTHING>(used, sizes[k], width, a, shape.stride(k), w, next, bias, nullptr);
            else if (k == 0 && dense[r])
                product<false, RELU>(used, sizes[0], width, x + r * x_stride, sizes[0], w, next, bias, nullptr, DENSE_BLOCK);
            else if (k == 0)
                first_layer(used, width, entries, first, w, bias, next);
            else
                product<false, RELU>(used, sizes[k], width, a, shape.stride(k), w, next, bias, nullptr);
            if (masks && k < shape.trunk) drop(rows, sizes[k + 1], masks[k] + r * rows * sizes[k + 1], next);
            for (int64_t i = used; i < rows; i++)
                std::memcpy(next + i * width, next + (used - 1) * width, width * sizeof(float));
            return next;
        };
        const float* shared = nullptr;
        for (int64_t k = 0; k < shape.trunk; k++) shared = layer(0, k, shared);
        for (int64_t t = 0; t < shape.heads; t++, logits += rows * shape.units()) {
            const float* a = shared;
            for (int64_t k = shape.trunk; k < shape.depth; k++) a = layer(t, k, a);
            if (shape.units() > 1) {
                layer(t, shape.depth, a);
                const int64_t units = shape.units();
                for (int64_t i = 0; i < rows; i++)
                    std::memcpy(logits + i * units, wide + i * padded(units), units * sizeof(float));
                continue;
            }
            const int64_t c = shape.weight(t, shape.depth);
            const float* w = part(c, 1, sizes[shape.depth], weights);
            last_layer(used, shape.stride(shape.depth), a, w, p[c + 1][r * stride[c + 1]], logits);
            std::fill(logits + used, logits + rows, logits[used - 1]);
        }
    }
}

// The gradient of sum(g logits) at the parameters -> dp, each contiguous; null for one that is not asked for.  g is
// laid out as the logits; scale is what a mask multiplies by where it is not 0, or 1.  The rest is as `mlp_logits` got
// it and left it.
void mlp_gradient(const int64_t* numbers, const float* x, int64_t x_stride, const float* const* p,
                  const int64_t* stride, float* const* activations, int64_t* ends, int32_t* column, float* value,
                  uint8_t* dense, const float* g, float scale, float* const* dp) {
    const Shape shape(numbers);
    const int64_t rows = shape.rows, trunk = shape.trunk, depth = shape.depth, *sizes = shape.sizes;
    const int64_t largest = shape.largest(), widest = shape.widest();
    const Memory memory(2 * largest + 4 * rows * widest + 2 * widest);
    float *d = memory.start(), *next = d + rows * widest, *shared = next + rows * widest;
    float *wide = shared + rows * widest, *transposed = wide + rows * widest, *room = transposed + largest;
    float *dtop = room + largest, *dbias = dtop + widest;
    int64_t lowest = 0;  // layer of the trunk that a gradient is asked for
    while (lowest < trunk && !dp[2 * lowest] && !dp[2 * lowest + 1]) lowest++;
    for (int64_t r = 0; r < shape.runs; r++) {
        const int64_t used = with_slope(shape.heads, rows, shape.units(), g);
        const auto output = [&](int64_t t, int64_t k) {
            return activations[shape.output(t, k)] + r * rows * shape.stride(k + 1);
        };
        const auto weight = [&](int64_t c) { return p[c] + r * stride[c]; };
        const auto copy = [&](int64_t c, int64_t num, int64_t width, const float* from) {
            if (dp[c])
                for (int64_t i = 0; i < num; i++)
                    std::memcpy(dp[c] + (r * num + i) * width, from + i * padded(width), width * sizeof(float));
        };
        // From the slope d at a layer's sums: the gradient of its parameters, and the slope below if asked for.
        const auto layer = [&](int64_t t, int64_t k, const float* d, bool is_summed, float* below, bool add) {
            const int64_t c = shape.weight(t, k), num = sizes[k], width = sizes[k + 1], wide = padded(width);
            if (!is_summed && dp[c + 1]) column_sums(used, wide, d, dbias);
            copy(c + 1, 1, width, dbias);
            if (dp[c]) {
                const int64_t whole = (num + TILE - 1) / TILE * TILE;  // rows of tiles
                float* dw = wide == width && (k == 0 || whole == num) ? dp[c] + r * num * width : room;
                if (k > 0) {
                    product<true, NOTHING>(whole, used, wide, output(t, k - 1), padded(num), d, dw, nullptr, nullptr);
                } else if (dense[r]) {
                    dense_layer_gradient(num, used, wide, x + r * x_stride, d, dw);
                } else {
                    const int64_t own = x_stride == 0 ? 0 : r * rows;
                    const Entries entries{ends + own, column, value};
                    first_layer_gradient(num, used, wide, entries, own == 0 ? 0 : ends[own - 1], d, dw);
                }
                if (dw == room) copy(c, num, width, room);
            }
            if (!below) return;
            transpose(num, width, weight(c), k <= trunk ? scale : 1, transposed);
            const float* mask = output(t, k - 1);
            product<false, MASK>(used, width, padded(num), d, wide, transposed, below, nullptr, mask, BLOCK, add);
        };
        const bool is_summed = shape.units() == 1;  // the slope below the top layer, by last_layer_gradient
        for (int64_t t = 0; t < shape.heads; t++, g += rows * shape.units()) {
            const int64_t c = shape.weight(t, depth), top = shape.stride(depth);
            const bool flat = depth == trunk, add = flat && t > 0;
            float* into = flat ? shared : d;
            if (is_summed) {
                const float* w = widened(1, sizes[depth], weight(c), room);
                last_layer_gradient(used, top, output(t, depth - 1), w, flat ? scale : 1, g, into, add, dtop, dbias);
                copy(c, 1, sizes[depth], dtop);
                if (dp[c + 1]) {
                    float total = 0;
                    for (int64_t i = 0; i < rows; i++) total += g[i];
                    dp[c + 1][r] = total;
                }
            } else {
                layer(t, depth, widened(rows, shape.units(), g, wide), false, into, add);
            }
            for (int64_t k = depth - 1; k >= trunk; k--, std::swap(d, next)) {
                float* below = k > trunk ? next : lowest < trunk ? shared : nullptr;
                layer(t, k, d, is_summed && k == depth - 1, below, k == trunk && t > 0);
            }
        }
        for (int64_t k = trunk - 1; k >= lowest; k--, std::swap(shared, next))
            layer(0, k, shared, is_summed && k == depth - 1, k > lowest ? next : nullptr, false);
    }
}

// One step of Adam.  q and g: `count` parameters of sizes[c] numbers a run; hyper [R, 4]: lr, b1, b2, eps.
void adam_step(int64_t runs, int64_t count, const int64_t* sizes, const float* const* q, const int64_t* q_stride,
               const float* const* g, const int64_t* g_stride, float* const* new_q, const float* hyper, const float* m,
               const float* v, const float* n1, const float* n2, float* new_m, float* new_v, float* new_n1,
               float* new_n2) {
    for (int64_t r = 0; r < runs; r++, hyper += 4) {
        new_n1[r] = hyper[1] * n1[r] + 1;
        new_n2[r] = hyper[2] * n2[r] + 1;
        for (int64_t c = 0; c < count; c++) {
            const int64_t num = sizes[c];
            adam_numbers(num, q[c] + r * q_stride[c], g[c] + r * g_stride[c], new_q[c] + r * num, m, v, new_m, new_v,
                         hyper[0], hyper[3], 1 / new_n1[r], 1 / new_n2[r]);
            m += num, v += num, new_m += num, new_v += num;
        }
    }
}

// One step of gradient descent with momentum; hyper [R, 3]: lr, momentum, weight decay.  The rest is as in `adam_step`.
void sgd_step(int64_t runs, int64_t count, const int64_t* sizes, const float* const* q, const int64_t* q_stride,
              const float* const* g, const int64_t* g_stride, float* const* new_q, const float* hyper, const float* v,
              float* new_v) {
    for (int64_t r = 0; r < runs; r++, hyper += 3) {
        const float lr = hyper[0], momentum = hyper[1], weight_decay = hyper[2];
        for (int64_t c = 0; c < count; c++) {
            const int64_t num = sizes[c];
            const float *old = q[c] + r * q_stride[c], *slope = g[c] + r * g_stride[c];
            float* now = new_q[c] + r * num;
            for (int64_t i = 0; i < num; i++) {
                new_v[i] = momentum * v[i] + (slope[i] + weight_decay * old[i]);
                now[i] = old[i] - lr * new_v[i];
            }
            v += num, new_v += num;
        }
    }
}

// One step of Adagrad; hyper [R, 2]: lr, eps; total: the sum of squares.  The rest is as in `adam_step`.
void adagrad_step(int64_t runs, int64_t count, const int64_t* sizes, const float* const* q, const int64_t* q_stride,
                  const float* const* g, const int64_t* g_stride, float* const* new_q, const float* hyper,
                  const float* total, float* new_total) {
    for (int64_t r = 0; r < runs; r++, hyper += 2) {
        for (int64_t c = 0; c < count; c++) {
            const int64_t num = sizes[c];
            adagrad_numbers(num, q[c] + r * q_stride[c], g[c] + r * g_stride[c], new_q[c] + r * num, total, new_total,
                            hyper[0], hyper[1]);
            total += num, new_total += num;
        }
    }
}

// out [n, features] = the rows of table
void gather(const float* table, int64_t features, const int64_t* rows, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i++) {
        if (i + 8 < n)
            for (int64_t k = 0; k < features; k += 16) __builtin_prefetch(table + rows[i + 8] * features + k);
        std::memcpy(out + i * features, table + rows[i] * features, features * sizeof(float));
    }
}
}
