// What every lane program begins with. Nothing here is static data: a program may be
// called by several threads of several simulators at once.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

// A loop over cells or events that do not depend on each other, and what is done once: what
// runs on one thread here is shared by a block of threads where a program runs on a GPU.
#define FROM_TO(i, from, to) _Pragma("GCC ivdep") for (int i = (from); i < (to); i++)
#define EACH(i, n) FROM_TO(i, 0, n)
#define ONE

// Rows of synapses that are gone through column by column before the next ones.
#define ROWS_IN_CACHE 16

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

// First row of a thread's share of the rows.
static inline int share(int rows, int part, int parts) {
    return (int)((int64_t)rows * part / parts);
}

#if defined(__AVX2__)
// The types and operations of the compiler itself: <immintrin.h> takes longer to read than all
// other headers together.
typedef char Bytes __attribute__((vector_size(32), may_alias));
static inline Bytes to_bytes(const uint8_t* flags) { return (Bytes)(*(const Bytes*)flags != 0); }
#endif

// Numbers of the cells whose flag is set, in rising order; `size` is a multiple of 64.
static inline int32_t list_flags(const uint8_t* flags, int size, int32_t* list) {
    int32_t count = 0;
    for (int base = 0; base < size; base += 64) {
#if defined(__AVX2__)
        const uint64_t low = (uint32_t)__builtin_ia32_pmovmskb256(to_bytes(flags + base));
        const uint64_t high = (uint32_t)__builtin_ia32_pmovmskb256(to_bytes(flags + base + 32));
        uint64_t bits = low | high << 32;
#else
        uint64_t bits = 0;
        for (int word = 0; word < 64; word += 8) {
            uint64_t eight;
            memcpy(&eight, flags + base + word, 8);
            // flags are 0 or 1: gather the low bit of each byte
            bits |= (eight * 0x0102040810204080ull >> 56) << word;
        }
#endif
        while (bits) {
            list[count++] = base + __builtin_ctzll(bits);
            bits &= bits - 1;
        }
    }
    return count;
}

// Rows become columns: a square of at most `side` rows and columns, by way of a copy that lies
// together. Long rows and columns would push themselves out of the cache: what is a power of two
// apart shares a few places there.
static const int side = 8;
template <class T>
static inline void transpose(T* __restrict to, const T* __restrict from, const int rows,
                             const int columns, const int to_stride, const int from_stride) {
    if (rows < side || columns < side) {
        for (int c = 0; c < columns && c < side; c++)
            for (int r = 0; r < rows && r < side; r++)
                to[c * to_stride + r] = from[r * from_stride + c];
        return;
    }
    alignas(64) T square[side * side];
    for (int c = 0; c < side; c++)
        for (int r = 0; r < side; r++) square[c * side + r] = from[r * from_stride + c];
    for (int c = 0; c < side; c++) memcpy(to + c * to_stride, square + c * side, side * sizeof(T));
}

// Cells of channels and places, laid out channel by channel at every place, with padding.
template <class T>
static inline void to_wide(T* __restrict wide, const T* __restrict cells, const int channels,
                           const int places, const int stride) {
    for (int c = 0; c < channels; c += side)
        for (int p = 0; p < places; p += side)
            transpose(wide + p * stride + c, cells + c * places + p, channels - c, places - p,
                      stride, places);
}

template <class T>
static inline void from_wide(T* __restrict cells, const T* __restrict wide, const int channels,
                             const int places, const int stride) {
    for (int c = 0; c < channels; c += side)
        for (int p = 0; p < places; p += side)
            transpose(cells + c * places + p, wide + p * stride + c, places - p, channels - c,
                      places, stride);
}

// While it lives, numbers too small for full precision (below 1.2e-38 in single precision) are 0 for
// this thread. Processors take a hundred times as long for them, and what decays in steps, such as
// the means of an optimiser at synapses that no longer learn, ends there and stays.
struct WithoutTinyNumbers {
#if defined(__SSE2__)
    const unsigned before = __builtin_ia32_stmxcsr();
    WithoutTinyNumbers() { __builtin_ia32_ldmxcsr(before | 0x8040); }
    ~WithoutTinyNumbers() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
    static uint64_t now() { uint64_t r; __asm__ volatile("mrs %0, fpcr" : "=r"(r)); return r; }
    static void become(uint64_t r) { __asm__ volatile("msr fpcr, %0" : : "r"(r)); }
    const uint64_t before = now();
    WithoutTinyNumbers() { become(before | 1u << 24); }
    ~WithoutTinyNumbers() { become(before); }
#endif
};

// Threads wait here for each other: a short spin, since they arrive within microseconds, and
// then asleep, so that a core which others need is theirs.
struct Barrier {
    std::atomic<int> waiting{0}, generation{0};
    int threads;
    explicit Barrier(int count) : threads(count) {}
    void wait() {
        if (threads == 1) return;
        const int mine = generation.load(std::memory_order_acquire);
        if (waiting.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
            waiting.store(0, std::memory_order_relaxed);
            generation.store(mine + 1, std::memory_order_release);
            return;
        }
        for (int turn = 0; generation.load(std::memory_order_acquire) == mine; turn++) {
            if (turn > 5000) std::this_thread::sleep_for(std::chrono::microseconds(20));
            else if (turn > 4000) std::this_thread::yield();
        }
    }
};

// Cells that have an event, in rising order.
struct Events { const int32_t* list; int32_t count; };

// Lanes of a thread that go through rows of synapses together: their sums fit into the cache.
static const int most_together = 32;

// Deliver the events of several lanes, some rows of synapses at a time. Where few cells have
// one, a lane's rows would be too scattered to gain from it: then one lane after the other.
template <class L, class EventsOf, class Deliver>
static inline bool deliver_together(L* const lanes, const int active, const int cells,
                                    const int tile, EventsOf events_of, Deliver deliver) {
    Events events[most_together];
    int64_t total = 0;
    for (int l = 0; l < active; l++) total += (events[l] = events_of(lanes[l])).count;
    const bool shared = 4 * total >= (int64_t)active * cells;
    for (int end = shared ? tile : cells; total; end += tile) {
        for (int l = 0; l < active; l++) {
            int32_t count = 0;
            while (count < events[l].count && events[l].list[count] < end) count++;
            if (!count) continue;
            deliver(lanes[l], events[l].list, count);
            events[l].list += count, events[l].count -= count;
            total -= count;
        }
    }
    return shared;
}
