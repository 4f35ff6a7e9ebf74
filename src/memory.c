#include "memory.h"

#include <math.h>

/* What the driver and the libraries take beside our allocations: 573 MiB on an H200 (driver 580, CUDA 13,
 * cuDNN 9.14), measured by cudaMemGetInfo; the rest is for the allocator's rounding. */
#define DRIVER ((size_t)640 << 20)
/* Without --vram: what is left free for the desktop and what else comes, at least. */
#define RESERVE ((size_t)256 << 20)

int sc_memory_budget(size_t *budget, const sc_settings *s, const sc_device *dev, const sc_logger *log)
{
    const size_t free = dev->memory, asked = (size_t)s->vram;

    *budget = SIZE_MAX;
    if (!free) {
        if (asked)
            sc_log(log, SC_LOG_WARNING, "memory", "--vram has no effect: %s computes in the host's memory",
                   dev->name);
        return 0;
    }
    if (asked && asked <= DRIVER)
        return sc_fail(log, SC_ERR_USAGE, "memory", "--vram: the driver and its libraries alone take %zu MiB",
                       DRIVER >> 20);
    *budget = free - SC_MIN(SC_MAX(RESERVE, free / 20), free);
    if (asked)
        *budget = SC_MIN(asked - DRIVER, *budget);
    return 0;
}

static double gib(int64_t bytes)
{
    return (double)bytes / (1 << 30);
}

int64_t sc_memory_plan(sc_context *c, size_t budget, sc_reader *reader, const enum AVPixelFormat *format)
{
    const sc_device *dev = c->x->dev;
    const sc_plan best = sc_plan_of(c->set);
    sc_plan plan = best;
    const int64_t bytes = sc_chain_plan(&plan, budget, c, reader, format);
    const double driver = dev->memory ? gib(DRIVER) : 0;
    char text[256];

    if (bytes < 0) { /* why, the chain will say */
        c->plan = best;
        return 0;
    }
    c->plan = plan;
    if ((uint64_t)bytes > budget)
        return sc_fail(
            c->log, SC_ERR_DEVICE, "memory",
            "%.2f GiB of %s are not enough: the least that this film can be converted with is %.2f (--vram "
            "%.1fG); smaller are %sa smaller film",
            gib((int64_t)budget) + driver, dev->name, gib(bytes) + driver,
            ceil(10 * (gib(bytes) + driver)) / 10,
            c->set->reconstruct ? "another --precision and " : "--model builtin and ");
    sc_plan_describe(text, sizeof(text), &plan, &best);
    if (dev->memory)
        sc_log(c->log, SC_LOG_INFO, "memory", "%.2f of %.2f GiB: %s", gib(bytes) + driver,
               gib((int64_t)budget) + driver, *text ? text : "everything resident, nothing in smaller parts");
    else if (*text)
        sc_log(c->log, SC_LOG_INFO, "memory", "%s", text);
    return bytes;
}
