/* Makes the AMX path run on every CPU. cpu.c is compiled with its rbmk_cpu_has_amx renamed, and the one below decides:
 * - RBMK_EMULATE_TILES: the tiles are plain C (src/isa/amx/tile.h), so the path runs anywhere;
 * - else the code as shipped: on a CPU with tiles as it is, on another that has AVX-512 and VNNI by emulating each tile
 *   instruction when the CPU refuses it (x86-64 Linux only).
 * rbmk_cpu_has_vnni likewise: with RBMK_EMULATE_TILES the AVX-512 path runs as on CPUs that lack it.
 */
#define _GNU_SOURCE
#include "check.h"
#include "kernels.h"

int rbmk_cpu_really_has_amx(void);
int rbmk_cpu_really_has_vnni(void);

#ifdef RBMK_EMULATE_TILES
int rbmk_cpu_has_vnni(void) { return 0; }
#else
int rbmk_cpu_has_vnni(void) { return rbmk_cpu_really_has_vnni(); }
#endif

#if !defined(RBMK_EMULATE_TILES) && defined(__linux__) && defined(__x86_64__)

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define RBMK_EMULATE_TILES 1
#include "isa/amx/tile.h"
#undef RBMK_EMULATE_TILES

/* x86 numbers its registers so. */
static const int greg[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* An instruction with a three-byte VEX prefix: C4, RXB.map, W.vvvv.L.pp, opcode, ModRM, (SIB, displacement). */
typedef struct {
    int prefix, opcode, reg, rm, vvvv; /* prefix: 0 none, 1 66, 2 F3, 3 F2; rm -1: memory */
    char *address;
    long long stride; /* the index register, scaled */
    const uint8_t *end;
} instruction;

static int decode(const uint8_t *at, const greg_t *regs, instruction *i)
{
    const int r = (~at[1] & 0x80) >> 4, x = (~at[1] & 0x40) >> 3, b = (~at[1] & 0x20) >> 2;
    const int mod = at[4] >> 6, rm = at[4] & 7;
    int32_t displacement = 0;
    if (at[0] != 0xC4 || (at[1] & 0x1F) != 2 || (at[2] & 0x84))
        return 0;
    *i = (instruction){.prefix = at[2] & 3, .opcode = at[3], .reg = (at[4] >> 3 & 7) | r, .rm = mod == 3 ? rm | b : -1,
                       .vvvv = ~at[2] >> 3 & 15, .end = at + 5};
    if (mod == 3)
        return 1;
    if (mod == 0 && rm == 5) { /* relative to the next instruction */
        memcpy(&displacement, i->end, 4);
        i->end += 4;
        i->address = (char *)(uintptr_t)i->end + displacement;
        return 1;
    }
    if (rm == 4) {
        const int scale = at[5] >> 6, index = (at[5] >> 3 & 7) | x;
        i->end++;
        if (mod == 0 && (at[5] & 7) == 5)
            return 0;
        i->address = (char *)regs[greg[(at[5] & 7) | b]];
        i->stride = index == 4 ? 0 : regs[greg[index]] * (1 << scale);
    } else {
        i->address = (char *)regs[greg[rm | b]];
    }
    if (mod == 1)
        displacement = (int8_t)*i->end++;
    if (mod == 2) {
        memcpy(&displacement, i->end, 4);
        i->end += 4;
    }
    i->address += displacement;
    return 1;
}

static int execute(const instruction *i)
{
    enum { NONE, P66, PF3, PF2 };
    if (i->opcode == 0x49 && i->rm < 0 && i->prefix == NONE && i->reg == 0)
        tile_configure((const tile_config *)i->address);
    else if (i->opcode == 0x49 && i->rm == 0 && i->prefix == NONE && i->reg == 0)
        tile_release();
    else if (i->opcode == 0x49 && i->rm == 0 && i->prefix == PF2)
        tile_zero(i->reg);
    else if (i->opcode == 0x4B && i->rm < 0 && i->prefix == PF2)
        tile_load(i->reg, i->address, i->stride);
    else if (i->opcode == 0x4B && i->rm < 0 && i->prefix == PF3)
        tile_store(i->reg, i->address, i->stride);
    else if (i->opcode == 0x5E && i->rm >= 0 && i->prefix == P66)
        tile_dot(i->reg, i->rm, i->vvvv);
    else
        return 0;
    return 1;
}

static void on_illegal(int signal_number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    instruction i;
    (void)info;
    if (decode((const uint8_t *)regs[REG_RIP], regs, &i) && execute(&i))
        regs[REG_RIP] = (greg_t)(uintptr_t)i.end;
    else
        signal(signal_number, SIG_DFL); /* it happens again, and ends the program */
}

static int trap_tiles(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_illegal;
    action.sa_flags = SA_SIGINFO;
    return rbmk_cpu_has_vnni() && !sigaction(SIGILL, &action, NULL);
}

int rbmk_cpu_has_amx(void) { return rbmk_cpu_really_has_amx() || trap_tiles(); }

const char *paths_note(void)
{
    if (rbmk_cpu_really_has_amx())
        return "this CPU's";
    return rbmk_cpu_has_vnni() ? "as shipped, tile instructions emulated" : "-";
}

#elif defined(RBMK_EMULATE_TILES)

int rbmk_cpu_has_amx(void) { return 1; }

const char *paths_note(void) { return "tiles in plain C"; }

#else

int rbmk_cpu_has_amx(void) { return rbmk_cpu_really_has_amx(); }

const char *paths_note(void) { return rbmk_cpu_has_amx() ? "this CPU's" : "-"; }

#endif
