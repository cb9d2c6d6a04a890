// Random numbers that are a function of seed, image, cell, step and stream: the same bits as
// neurosim/circuit/philox.py, which explains them. Plain C without static data. Every result
// follows from single operations of double precision in one order, so compile it without
// fused multiply-adds.
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef NOISE_FUNCTION
#define NOISE_FUNCTION static inline
#endif

// The first two words of Philox4x32-10.
NOISE_FUNCTION uint64_t noise_bits(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1,
                                   uint32_t c2, uint32_t c3) {
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (uint64_t)c0 << 32 | c1;
}

NOISE_FUNCTION double noise_uniform(uint32_t k0, uint32_t k1, uint32_t image, uint32_t cell,
                                    uint32_t step, uint32_t stream) {
    const uint64_t bits = noise_bits(k0, k1, image, cell, step, stream) >> 12;
    return ((double)(int64_t)bits + 0.5) * 2.220446049250313e-16;
}

NOISE_FUNCTION double noise_logarithm(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    double power = (double)(int64_t)(bits >> 52) - 1023.0, m;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    memcpy(&m, &bits, 8);
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        power = power + 1.0;
    }
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double total = 1.0 / 21;
    total = total * z + 1.0 / 19;
    total = total * z + 1.0 / 17;
    total = total * z + 1.0 / 15;
    total = total * z + 1.0 / 13;
    total = total * z + 1.0 / 11;
    total = total * z + 1.0 / 9;
    total = total * z + 1.0 / 7;
    total = total * z + 1.0 / 5;
    total = total * z + 1.0 / 3;
    total = total * z + 1.0;
    return power * 0.693147180559945309417 + 2.0 * s * total;
}

// Quotient of two polynomials of degree 7, highest powers first; the last of the second is 1.
#define NOISE_QUOTIENT(scale, x, a7, a6, a5, a4, a3, a2, a1, a0, b7, b6, b5, b4, b3, b2, b1) \
    (scale * (((((((a7 * x + a6) * x + a5) * x + a4) * x + a3) * x + a2) * x + a1) * x + a0) / \
     (((((((b7 * x + b6) * x + b5) * x + b4) * x + b3) * x + b2) * x + b1) * x + 1.0))

NOISE_FUNCTION double noise_inverse_normal(double p) {
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return NOISE_QUOTIENT(
            q, r, 2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
            4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
            1.3314166789178437745e2, 3.3871328727963666080e0, 5.2264952788528545610e3,
            2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
            5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1);
    }
    const double r = sqrt(-noise_logarithm(q < 0.0 ? p : 1.0 - p));
    double size;
    if (r <= 5.0) {
        const double x = r - 1.6;
        size = NOISE_QUOTIENT(
            1.0, x, 7.74545014278341407640e-4, 2.27238449892691845833e-2,
            2.41780725177450611770e-1, 1.27045825245236838258e0, 3.64784832476320460504e0,
            5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
            1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
            1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
            2.05319162663775882187e0);
    } else {
        const double x = r - 5.0;
        size = NOISE_QUOTIENT(
            1.0, x, 2.01033439929228813265e-7, 2.71155556874348757815e-5,
            1.24266094738807843860e-3, 2.65321895265761230930e-2, 2.96560571828504891230e-1,
            1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
            2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
            7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
            5.99832206555887937690e-1);
    }
    return q < 0.0 ? -size : size;
}

NOISE_FUNCTION double noise_normal(uint32_t k0, uint32_t k1, uint32_t image, uint32_t cell,
                                   uint32_t step, uint32_t stream) {
    return noise_inverse_normal(noise_uniform(k0, k1, image, cell, step, stream));
}
