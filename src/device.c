#include <string.h>

#include "ops.h"
#include "../kernels/cpu/cpu.h"
#include "../kernels/null/null.h"

#if SC_CUDA
#include "../kernels/cuda/cuda.h"
#else
static int sc_cuda_count(void)
{
    return 0;
}

static int sc_cuda_open(sc_device **dev, const sc_device_options *o, const sc_logger *log)
{
    (void)dev;
    return sc_fail(log, SC_ERR_DEVICE, "device", "--device: \"%s\": this build is for the CPU only", o->name);
}
#endif

const char *sc_device_choose(const char *name)
{
    if (name && strcmp(name, "auto"))
        return name;
    return sc_cuda_count() > 0 ? "cuda:0" : "cpu";
}

int sc_device_count(void)
{
    return sc_cuda_count();
}

int sc_device_open(sc_device **dev, const sc_device_options *o, const sc_logger *log)
{
    sc_device_options known = *o;

    known.name = sc_device_choose(o->name);
    if (!strcmp(known.name, "cpu"))
        return sc_cpu_open(dev, &known, log);
    if (!strcmp(known.name, "null"))
        return sc_null_open(dev, &known, log);
    if (!strcmp(known.name, "cuda") || !strncmp(known.name, "cuda:", 5))
        return sc_cuda_open(dev, &known, log);
    return sc_fail(log, SC_ERR_DEVICE, "device", "--device: \"%s\" is not a device (auto, cpu, cuda, cuda:1)",
                   o->name);
}

void sc_device_close(sc_device **dev)
{
    if (*dev)
        (*dev)->ops->close(*dev);
    *dev = NULL;
}
