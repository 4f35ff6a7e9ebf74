#include <stdlib.h>

#include "rows.h"

int sc_cpu_rows(const sc_exec *x, int64_t rows, size_t scratch_floats,
                void (*fn)(const void *args, int64_t r, float *scratch), const void *args)
{
    int ret = 0;
#pragma omp parallel num_threads(x->dev->threads) reduction(min : ret)
    {
        float *scratch = malloc((scratch_floats + 1) * sizeof(*scratch));
        if (!scratch)
            ret = -ENOMEM;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < rows; r++)
            if (scratch)
                fn(args, r, scratch);
        free(scratch);
    }
    return ret;
}
