#!/bin/bash
# The table in FEATURES.md names tests that exist, and for each feature that is there at least one.
cd "$(dirname "$0")" || exit 1
mistakes=0
complain() {
    echo "FEATURES.md: $1"
    mistakes=$((mistakes + 1))
}

rows=0
while IFS='|' read -r _ feature _ _ _ _ here tests; do
    named=$(grep -oE '`(unit|e2e|fuzz|gpu|ops|golden)\.[a-z0-9_]*`' <<<"$tests" | tr -d '`')
    rows=$((rows + 1))
    [ "$here" != " ● " ] || [ -n "$named" ] || complain "nothing proves:$feature"
    case $here in " ● " | " ◐ " | " ○ ") ;; *) complain "neither yes nor no:$feature" ;; esac
    for name in $named; do
        case $name in
        ops.cpu | golden.cpu) ;;
        gpu.*) [ -e e2e/"${name#*.}".sh ] || complain "$name is no test" ;;
        *) compgen -G "${name%.*}/${name#*.}.*" >/dev/null || complain "$name is no test" ;;
        esac
    done
done < <(grep '^| ' FEATURES.md | tail -n +3)

echo "features: $rows rows, $mistakes mistakes"
[ $mistakes = 0 ] && [ $rows -gt 50 ]
