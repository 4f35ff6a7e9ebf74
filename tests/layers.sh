#!/bin/bash
# Who may include and mention what: the rules of the source tree, by grep. Prints each breach; exit code 1 if any.
cd "$(dirname "$0")/.." || exit 1
breaches=0

# forbid WHY PATTERN FILE...: no line of code (comments and strings of includes aside) may match.
forbid() {
    local why=$1 pattern=$2
    shift 2
    local found
    found=$(grep -nE "$pattern" "$@" /dev/null | grep -vE '^[^:]+:[0-9]+:\s*(/\*|\*|//)')
    if [ -n "$found" ]; then
        echo "$why:"
        echo "$found" | sed 's/^/    /'
        breaches=$((breaches + $(echo "$found" | wc -l)))
    fi
}

files() { git ls-files --cached --others --exclude-standard -- "$@"; }

forbid "networks and stages know no device and no number type" \
    '\b(cuda|CUDA|SC_F16|SC_BF16|SC_F8)\b|^\s*#\s*if( |def )' $(files 'src/nets/*' 'src/stages/*')
forbid "FFmpeg stays in src/video, src/convert.c and the stages that hold its frames" \
    '\bav_[a-z]|\bavcodec_|\bavformat_|\bavfilter_' \
    $(files 'src/*' 'kernels/*' | grep -vE '^src/(video/|convert\.c|stages/(depth_file|frame|layout|pair|source)\.[ch])' |
      grep -v '^src/main\.c$')
forbid "no result depends on the environment" '\bgetenv\b' $(files 'src/*' 'kernels/*' 'include/*' | grep -v '^src/main\.c$')
forbid "only main.c ends the program" '\b_?exit\(|\babort\(' \
    $(files 'src/*' 'kernels/*' | grep -v '^src/main\.c$')
forbid "only main.c and the options' help print" '\bprintf\(|\bputs\(|[(, ]std(out|err)[,;)]' \
    $(files 'src/*' 'kernels/*' | grep -v '^src/main\.c$')

# Includes point downwards: main, convert, {video, stages}, nets, {ops, weights}, kernels.
forbid "nets include ops and weights alone" '#include "\.\./(stages|video|convert|options|main)' \
    $(files 'src/nets/*')
forbid "ops, tensors and devices include nothing above them" '#include ".*(nets|stages|video|weights|options)/?' \
    $(files 'src/base.*' 'src/tensor.*' 'src/exec.*' 'src/ops.*' 'src/device.*' 'src/precision.*')
forbid "weights include ops alone" '#include ".*(nets|stages|video|options)/' $(files 'src/weights/*')
forbid "kernels include src/ops.h and what is below it" '#include ".*(nets|stages|video|weights|options)/' \
    $(files 'kernels/*')
forbid "video knows no networks and no stages, except frames and images" '#include ".*(nets|weights|options)/|stages\.h' \
    $(files 'src/video/*')
forbid "headers of the core know no FFmpeg" '#include <libav' $(files 'src/*.h' 'include/*' | grep -vE '^src/(video|stages)/')

for f in $(files '*.c' '*.h' '*.cu' '*.cuh' '*.cc' '*.sh'); do
    n=$(wc -l <"$f")
    if [ "$n" -gt 600 ]; then
        echo "$f has $n lines, more than 600: it may hold two ideas"
        breaches=$((breaches + 1))
    fi
done

echo "layers: $breaches breaches"
[ "$breaches" = 0 ]
