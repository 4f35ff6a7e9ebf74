#include <string.h>

#include "ops.h"
#include "../kernels/cpu/cpu.h"
#include "../kernels/null/null.h"

int sc_device_open(sc_device **dev, const sc_device_options *o, const sc_logger *log)
{
    if (!strcmp(o->name, "auto") || !strcmp(o->name, "cpu"))
        return sc_cpu_open(dev, o, log);
    if (!strcmp(o->name, "null"))
        return sc_null_open(dev, o, log);
    return sc_fail(log, SC_ERR_DEVICE, "device", "--device: \"%s\" is not a device of this build (auto, cpu)",
                   o->name);
}

void sc_device_close(sc_device **dev)
{
    if (*dev)
        (*dev)->ops->close(*dev);
    *dev = NULL;
}
