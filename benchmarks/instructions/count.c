/* A plugin for QEMU's user emulation: how many instructions each function of a program ran, to stderr at its end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What it uses of qemu-plugin.h, version 1. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int add, void *to, uint64_t n);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

static struct {
    char name[64];
    uint64_t count;
} functions[4096];

/* A block of straight code was translated: it belongs to one function. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
    int i = 0;
    (void)id;
    name = name ? name : "unknown";
    while (i < 4095 && functions[i].name[0] && strncmp(functions[i].name, name, 63))
        i++;
    strncpy(functions[i].name, name, 63);
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &functions[i].count, qemu_plugin_tb_n_insns(block));
}

static void at_end(qemu_plugin_id_t id, void *nothing)
{
    uint64_t total = 0;
    (void)id, (void)nothing;
    for (int i = 0; i < 4096 && functions[i].name[0]; i++) {
        fprintf(stderr, "%s %" PRIu64 "\n", functions[i].name, functions[i].count);
        total += functions[i].count;
    }
    fprintf(stderr, "total %" PRIu64 "\n", total);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
