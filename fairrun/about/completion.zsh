# Completes fairrun, python -m fairrun and python -m fairrun.train:  eval "$(fairrun -sc install=zsh)"
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_fairrun_of_python=${_comps[python]:-_files}

_fairrun_completion() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    local -a command=($words[1]) replies
    if [[ ${words[1]:t} == python* ]]; then
        if [[ $words[2] != -m || ($words[3] != fairrun && $words[3] != fairrun.train) || CURRENT -le 3 ]]; then
            [[ $_fairrun_of_python == _fairrun_completion ]] || $_fairrun_of_python "$@"
            return
        fi
        command+=(-m $words[3])
    fi
    replies=(${(f)"$(COMP_LINE=$line $command -sc query=zsh 2> /dev/null)"})
    (( $#replies )) || { _files; return }
    compadd -Q -S '' -- ${(M)replies:#*[=./]}   # a key that goes on: no space behind it
    compadd -Q -- ${replies:#*[=./]}
}

compdef _fairrun_completion fairrun python python3
