# Completes fairrun, python -m fairrun and python -m fairrun.train:  fairrun -sc install=fish | source
function __fairrun_completion
    set -l tokens (commandline -opc)
    set -l command $tokens[1]
    string match -q 'python*' (basename $command); and set command $command -m $tokens[3]
    set -l replies (COMP_LINE=(commandline -cp | string collect) command $command -sc query=fish 2> /dev/null)
    test (count $replies) -gt 0; and printf '%s\n' $replies; or __fish_complete_path (commandline -ct)
end

function __fairrun_of_python
    set -l tokens (commandline -opc)
    test "$tokens[2]" = -m; and contains -- "$tokens[3]" fairrun fairrun.train
end

complete -c fairrun -f -a '(__fairrun_completion)'
complete -c python -c python3 -n __fairrun_of_python -f -a '(__fairrun_completion)'
