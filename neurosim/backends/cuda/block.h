// What every program for blocks of threads begins with: a block works on one image in flight.
// The same text is compiled for a GPU and, with threads of a CPU in the place of a block's, for
// tests. Nothing here is static data that two runs could share.
#ifdef __CUDACC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define NAN __int_as_float(0x7fffffff)
#define INFINITY __int_as_float(0x7f800000)
#define __restrict
namespace std {
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }
static inline int abs(int x) { return x < 0 ? -x : x; }
}
#define KERNEL extern "C" __global__ void
#define ARGUMENT const __grid_constant__
#define UNROLL _Pragma("unroll")
#define THREAD ((int)threadIdx.x)
#define THREADS ((int)blockDim.x)
#define BLOCK ((int)blockIdx.x)
#define SYNC() __syncthreads()

// The threads of a warp note for which of their cells something holds, a bit for each.
static inline void vote(bool hit, int cell, uint32_t* votes) {
    const uint32_t bits = __ballot_sync(0xffffffffu, hit);
    if (!(threadIdx.x & 31)) votes[cell >> 5] = bits;
}

// List the cells of which `vote` has noted that it holds, in rising order.
static inline void list_hits(const uint8_t*, const uint32_t* votes, int cells, int32_t* list,
                             int32_t& count) {
    const int words = (cells + 31) >> 5, lane = threadIdx.x & 31;
    for (int word = threadIdx.x >> 5; word < words; word += blockDim.x >> 5) {
        const uint32_t bits = votes[word];
        // most warps have nothing to list; the last one counts all the same
        if (!bits && word < words - 1) continue;
        int before = 0;
        for (int other = lane; other < word; other += 32) before += __popc(votes[other]);
        for (int step = 16; step; step >>= 1) before += __shfl_xor_sync(0xffffffffu, before, step);
        if (bits >> lane & 1) list[before + __popc(bits & ((1u << lane) - 1))] = word * 32 + lane;
        if (word == words - 1 && !lane) count = before + __popc(bits);
    }
}
#else
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>
struct Place { int thread, threads, block; struct Meeting* meeting; };
static thread_local Place _place;

// Threads wait here for each other, asleep: there are often more of them than cores.
struct Meeting {
    std::mutex lock;
    std::condition_variable complete;
    int waiting = 0, generation = 0;
    void wait(int threads) {
        std::unique_lock<std::mutex> held(lock);
        const int mine = generation;
        if (++waiting < threads) {
            complete.wait(held, [&] { return generation != mine; });
            return;
        }
        waiting = 0;
        generation++;
        complete.notify_all();
    }
};
#define KERNEL static void
#define ARGUMENT const
#define UNROLL
#define THREAD _place.thread
#define THREADS _place.threads
#define BLOCK _place.block
#define SYNC() _place.meeting->wait(_place.threads)

static inline void vote(bool, int, uint32_t*) {}

static inline void list_hits(const uint8_t* flags, const uint32_t*, int cells, int32_t* list,
                             int32_t& count) {
    for (int cell = THREAD; cell < cells; cell += THREADS) {
        if (!flags[cell] && cell < cells - 1) continue;
        int before = 0;
        for (int other = 0; other < cell; other++) before += flags[other];
        if (flags[cell]) list[before] = cell;
        if (cell == cells - 1) count = before + flags[cell];
    }
}
#endif

#define EACH(i, n) FROM_TO(i, 0, n)
#define FROM_TO(i, from, to) for (int i = (from) + THREAD; i < (int)(to); i += THREADS)
// All at once: the threads of a block share them.
#define ROWS_IN_CACHE (1 << 30)
#define ONE if (THREAD == 0)
#define _brian_abs std::abs

template <class T> static inline int int_(T value) { return value ? 1 : 0; }
template <> inline int int_(float value) { return (int)value; }
template <> inline int int_(double value) { return (int)value; }
template <> inline int int_(int value) { return value; }

// As in Python: rounded down, and a remainder with the sign of y.
template <class T, class U> static inline auto _brian_floordiv(T x, U y) {
    if constexpr (T(1) / T(2) == 0 && U(1) / U(2) == 0)
        return x / y - (x % y != 0 && (x % y < 0) != (y < 0));
    else
        return floor(x / y);
}
template <class T, class U> static inline auto _brian_mod(T x, U y) {
    return x - y * _brian_floordiv(x, y);
}
