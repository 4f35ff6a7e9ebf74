#!/bin/bash
# batch.sh PROGRAM TOOLS WORK: several films in one command: folders, lists, patterns; what is there already; failures.
set -u
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

run() { # ARGUMENTS...: exit code to $code, stderr to err.txt
    "$program" "$@" --depth-size 64 --progress none >out.txt 2>err.txt </dev/null
    code=$?
}

has() { grep -q -e "$1" err.txt; }
ended() { [ "$code" = "$1" ]; }

mkdir -p in/sub
scene_render in/a.mp4 128x72 3 && cp in/a.mp4 in/sub/b.mp4 && cp in/a.mp4 "in/with space.mkv" || exit 1
echo "no film" >in/broken.mp4
echo "notes" >in/notes.doc

run in out
check "a film that is none" ended 5
check "the others are converted" [ -s out/a_LRF_Full_SBS.mp4 -a -s "out/with space_LRF_Full_SBS.mkv" ]
check "nothing else" [ "$(ls out | wc -l)" = 2 ]
check "the end tells how many" has "2 of 3 converted, 0 there already, 1 failed"
check "and which" has "failed: in/broken.mp4"

rm in/broken.mp4
stat -c %Y.%i out/a_LRF_Full_SBS.mp4 >before.txt
run --recursive in out
check "a folder and its subfolders" ended 0
check "the tree is repeated" [ -s out/sub/b_LRF_Full_SBS.mp4 ]
check "what is there stays" [ "$(stat -c %Y.%i out/a_LRF_Full_SBS.mp4)" = "$(cat before.txt)" ]
check "and is counted" has "1 of 3 converted, 2 there already, 0 failed"

run -y in out
check "-y converts again" has "2 of 2 converted"

printf 'a.mp4\n# no\nsub/b.mp4\n' >in/list.txt
run in/list.txt listed/deep
check "a list" ended 0
check "its films" [ -s listed/deep/a_LRF_Full_SBS.mp4 -a -s listed/deep/b_LRF_Full_SBS.mp4 ]

run "in/*.mp4" globbed --layout hsbs
check "a pattern" [ -s globbed/a_LR.mp4 ]
run -o several in/a.mp4 in/sub/b.mp4
check "several names" [ -s several/a_LRF_Full_SBS.mp4 -a -s several/b_LRF_Full_SBS.mp4 ]
run in --layout hsbs half --layout dubois colour
check "several outputs" ended 0
check "in their folders" [ -s half/a_LR.mp4 -a -s colour/a_redcyan_dubois.mp4 ]
mkdir one
run in/a.mp4 one
check "one film into a folder" [ -s one/a_LRF_Full_SBS.mp4 ]
run in/none.mp4 one
check "one film's failure has its own code" ended 9
run in/a.mp4 in/sub/b.mp4 one/x.mp4 -n
check "three names without -o" ended 2
run in
check "a folder without one for the results" ended 2
check "is told so" has "in: name a folder for the results"
run in dry --recursive --dry-run
check "a dry run" ended 0
check "makes no folders" [ ! -e dry ]
run in out2 --export-depth depth.mkv
check "a sidecar is for one film" ended 2
cp in/a.mp4 "in/with space.avi"
run in twice
check "two films of one name" ended 5
check "are told" has "twice/with space_LRF_Full_SBS.mkv: is what in/with space.avi became"
run in in/a.mp4
check "a file is no folder for results" ended 11

[ $failed = 0 ]
