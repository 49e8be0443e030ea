// The passes of a multi-layer perceptron with ReLU and of Adam over a stack of runs, in float32 on one thread.
//
// Every run is computed by itself and in one fixed order, so it is the same in any stack, bit for bit.  Weights are
// [in, out] and a layer is out = relu(in W + b).  The input is one-hot for the most part: the first layer takes a row's
// non-zero columns only (13 of 100 on Adult), and is left with a tenth of the time of a step.  Products reach 114 of the
// 117 GFLOP/s of a Zen 4 core.  `rows` is a multiple of 4 and `width` one of 16.
//
// Letters: R runs, B rows, D features, H width, K depth.  A tensor with a run axis comes with its stride.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>
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

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline Vec broadcast(float v) { return Vec{} + v; }
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
    for (; j < width; j += LANES) f.template operator()<1>(j);
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

// c [rows, width] = finish(bias + a b), a [rows, num] or its transpose, b [num, width].
template <bool TRANSPOSED, Finish FINISH>
void product(int64_t rows, int64_t num, int64_t width, const float* a, int64_t lda, const float* b, float* c,
             const float* bias, const float* mask) {
    columns(width, [&]<int N>(int64_t j) {
        for (int64_t k = 0; k < num; k += BLOCK) {
            const int64_t len = num - k < BLOCK ? num - k : BLOCK;
            const bool last = k + len == num;
            for (int64_t i = 0; i < rows; i += TILE) {
                const float* from = TRANSPOSED ? a + k * lda + i : a + i * lda + k;
                float* to = c + i * width + j;
                const float* start = k > 0 ? to : bias ? bias + j : nullptr;
                const int64_t stride = k > 0 ? width : 0;
                const float* where = mask ? mask + i * width + j : nullptr;
                if (last)
                    tile<N, TRANSPOSED, FINISH>(len, from, lda, b + k * width + j, width, to, width, start, stride, where);
                else
                    tile<N, TRANSPOSED, NOTHING>(len, from, lda, b + k * width + j, width, to, width, start, stride, where);
            }
        }
    });
}

// The non-zero columns of rows of x and their values.
struct Entries {
    int64_t* ends;  // [B], where the entries of each row end
    int32_t* column;
    float* value;

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

// dw [features, width] = x^T d, dbias [width] = sum of d
void first_layer_gradient(int64_t rows, int64_t width, Entries x, int64_t first, const float* d, float* dw, float* dbias) {
    columns(width, [&]<int N>(int64_t j) {
        Vec sums[N] = {};
        int64_t e = first;
        for (int64_t i = 0; i < rows; i++) {
            Vec delta[N];
            for (int n = 0; n < N; n++) sums[n] += delta[n] = load(d + i * width + j + n * LANES);
            for (; e < x.ends[i]; e++) {
                float* row = dw + x.column[e] * width + j;
                const Vec factor = broadcast(x.value[e]);
                for (int n = 0; n < N; n++) store(row + n * LANES, load(row + n * LANES) + factor * delta[n]);
            }
        }
        for (int n = 0; n < N; n++) store(dbias + j + n * LANES, sums[n]);
    });
}

// out [rows] = bias + a w, a [rows, width]
void last_layer(int64_t rows, int64_t width, const float* a, const float* w, float bias, float* out) {
    for (int64_t i = 0; i < rows; i++) {
        Vec total = {};
        for (int64_t j = 0; j < width; j += LANES) total += load(a + i * width + j) * load(w + j);
        out[i] = bias + sum(total);
    }
}

// d [rows, width] = g w^T where a > 0, dw = a^T g, dlower = sum of d: the bias of the layer below
void last_layer_gradient(int64_t rows, int64_t width, const float* a, const float* w, const float* g, float* d,
                         float* dw, float* dbias, float* dlower) {
    columns(width, [&]<int N>(int64_t j) {
        Vec weight[N], dweight[N] = {}, total[N] = {};
        for (int n = 0; n < N; n++) weight[n] = load(w + j + n * LANES);
        for (int64_t i = 0; i < rows; i++) {
            const Vec factor = broadcast(g[i]);
            for (int n = 0; n < N; n++) {
                const Vec unit = load(a + i * width + j + n * LANES);
                const Vec delta = where_positive(unit, factor * weight[n]);
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
    *dbias = 0;
    for (int64_t i = 0; i < rows; i++) *dbias += g[i];
}

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

struct Shape {
    int64_t runs, rows, features, width, depth;
};

}  // namespace

extern "C" {

// logits [R, B] of x [R, B, D].  p and strides: weight and bias of each layer, 2 (K + 1) pointers.
// Kept for `mlp_gradient`: activations [K, R, B, H]; the entries of x, ends [R, B], column and value [R B D + 16].
void mlp_logits(const Shape* shape, const float* x, int64_t x_stride, const float* const* p, const int64_t* stride,
                float* activations, int64_t* ends, int32_t* column, float* value, float* logits) {
    const auto [runs, rows, features, width, depth] = *shape;
    for (int64_t r = 0; r < runs; r++) {
        const int64_t own = x_stride == 0 ? 0 : r * rows;  // 0: all runs see the same rows
        const int64_t first = own == 0 ? 0 : ends[own - 1];
        const Entries entries{ends + own, column, value};
        if (own == r * rows) entries.fill(first, rows, features, x + r * x_stride);
        float* a = activations + r * rows * width;
        first_layer(rows, width, entries, first, p[0] + r * stride[0], p[1] + r * stride[1], a);
        for (int64_t k = 1; k < depth; k++) {
            float* next = a + runs * rows * width;
            product<false, RELU>(rows, width, width, a, width, p[2 * k] + r * stride[2 * k], next,
                                 p[2 * k + 1] + r * stride[2 * k + 1], nullptr);
            a = next;
        }
        const float *w = p[2 * depth] + r * stride[2 * depth], *bias = p[2 * depth + 1] + r * stride[2 * depth + 1];
        last_layer(rows, width, a, w, *bias, logits + r * rows);
    }
}

// The gradient of sum(g logits) at the parameters, g [R, B] -> dp, each contiguous.  The rest is as `mlp_logits` left it.
void mlp_gradient(const Shape* shape, int64_t x_stride, const float* g, const float* const* p, const int64_t* stride,
                  const float* activations, int64_t* ends, int32_t* column, float* value, float* const* dp) {
    const auto [runs, rows, features, width, depth] = *shape;
    std::vector<float> memory(2 * rows * width + width * width + 16);
    float *d = memory.data(), *next = d + rows * width, *transposed = next + rows * width;
    for (int64_t r = 0; r < runs; r++) {
        const float* a = activations + ((depth - 1) * runs + r) * rows * width;
        last_layer_gradient(rows, width, a, p[2 * depth] + r * stride[2 * depth], g + r * rows, d,
                            dp[2 * depth] + r * width, dp[2 * depth + 1] + r, dp[2 * depth - 1] + r * width);
        for (int64_t k = depth - 1; k > 0; k--) {
            const float *w = p[2 * k] + r * stride[2 * k], *below = a - runs * rows * width;
            product<true, NOTHING>(width, rows, width, below, width, d, dp[2 * k] + r * width * width, nullptr, nullptr);
            for (int64_t i = 0; i < width; i++)
                for (int64_t j = 0; j < width; j++) transposed[i * width + j] = w[j * width + i];
            product<false, MASK>(rows, width, width, d, width, transposed, next, nullptr, below);
            std::swap(d, next);
            a = below;
            if (k > 1) column_sums(rows, width, d, dp[2 * k - 1] + r * width);
        }
        float* dw = dp[0] + r * features * width;
        std::memset(dw, 0, features * width * sizeof(float));
        const int64_t own = x_stride == 0 ? 0 : r * rows;
        const Entries entries{ends + own, column, value};
        first_layer_gradient(rows, width, entries, own == 0 ? 0 : ends[own - 1], d, dw, dp[1] + r * width);
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

// out [n, features] = the rows of table
void gather(const float* table, int64_t features, const int64_t* rows, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i++) {
        if (i + 8 < n)
            for (int64_t k = 0; k < features; k += 16) __builtin_prefetch(table + rows[i + 8] * features + k);
        std::memcpy(out + i * features, table + rows[i] * features, features * sizeof(float));
    }
}
}
