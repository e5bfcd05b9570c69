/* What this CPU and its operating system run: CPUID, XCR0, and the permission for AMX tiles. */
#include "kernels.h"

int rbmk_cpu_always(void) { return 1; }

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)

#include <cpuid.h>

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xE6, XCR0_AMX = 0x60000 };

static uint64_t enabled_state(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) /* OSXSAVE */
        return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has(uint64_t state, unsigned ebx_bits, unsigned ecx_bits, unsigned edx_bits)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return (enabled_state() & state) == state && (b & ebx_bits) == ebx_bits && (c & ecx_bits) == ecx_bits &&
           (d & edx_bits) == edx_bits;
}

int rbmk_cpu_has_avx2(void) { return has(XCR0_AVX, 1u << 5, 0, 0); }

int rbmk_cpu_has_avx512(void)
{
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, bmi1 = 1u << 3;
    return has(XCR0_AVX512, f | dq | bw | vl | bmi1, 0, 0);
}

int rbmk_cpu_has_vnni(void) { return rbmk_cpu_has_avx512() && has(XCR0_AVX512, 0, 1u << 11, 0); }

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

/* Linux hands out the tile registers only to processes that ask. */
static int tiles_permitted(void)
{
    enum { ARCH_GET_XCOMP_PERM = 0x1022, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned long granted = 0;
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA))
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &granted) && (granted >> XFEATURE_XTILEDATA & 1);
}
#else
static int tiles_permitted(void) { return 0; }
#endif

int rbmk_cpu_has_amx(void)
{
    const unsigned tile = 1u << 24, int8 = 1u << 25;
    return rbmk_cpu_has_vnni() && has(XCR0_AMX, 0, 0, tile | int8) && tiles_permitted();
}

#else

int rbmk_cpu_has_avx2(void) { return 0; }
int rbmk_cpu_has_avx512(void) { return 0; }
int rbmk_cpu_has_vnni(void) { return 0; }
int rbmk_cpu_has_amx(void) { return 0; }

#endif
