// Functions of Brian2's equations, alike on processors and GPUs; compile them without fused
// multiply-adds.
#ifndef __CUDACC__
#include <math.h>
#include <stdint.h>
#include <string.h>
#endif

// A square keeps the precision of its number, which pow does not.
static inline float _brian_pow(float x, int y) { return y == 2 ? x * x : (float)pow(x, y); }
template <class T, class U> static inline auto _brian_pow(T x, U y) { return pow(x, y); }

// e^x of 64-bit numbers within 1.5 units of the last place; below -708 it is 0, above 709
// infinity. Unlike the C library's it is made of single sums and products in one order alone:
// loops over cells vectorise, and a cell has the same bits in every loop and on every processor.
static inline double exp_of(double x) {
    // x = k ln 2 + r; a number to which this is added keeps no fraction
    const double to_integer = 0x1.8p52;
    const double shifted = x * 0x1.71547652b82fep0 + to_integer, k = shifted - to_integer;
    const double r = (x - k * 0x1.62e42fefap-1) - k * 0x1.cf79abc9e3b39p-40;
    // Taylor series of e^r, |r| <= ln(2)/2, up to r^13; pairs of terms do not wait for each other
    const double r2 = r * r, r4 = r2 * r2;
    const double low = (1.0 / 5040 * r + 1.0 / 720) * r2 + (1.0 / 120 * r + 1.0 / 24);
    const double high = ((1.0 / 6227020800 * r + 1.0 / 479001600) * r4
                         + (1.0 / 39916800 * r + 1.0 / 3628800) * r2)
                        + (1.0 / 362880 * r + 1.0 / 40320);
    double e = (high * r4 + low) * r4 + ((1.0 / 6 * r + 0.5) * r2 + r) + 1.0;
    // times 2^k, in the bits of the exponent
    uint64_t power, bits;
    memcpy(&power, &shifted, sizeof power);
    memcpy(&bits, &e, sizeof bits);
    bits += power << 52;
    memcpy(&e, &bits, sizeof e);
    return x < -708 ? 0.0 : x > 709 ? INFINITY : e;
}
#define exp exp_of
