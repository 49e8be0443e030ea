# Completes fairrun, python -m fairrun and python -m fairrun.train:  eval "$(fairrun -sc install=bash)"
_fairrun_of_python=$(complete -p python 2> /dev/null | sed -n 's/.* -F \([^ ]*\).*/\1/p')

_fairrun_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" typed replaced before reply
    local -a command=("${COMP_WORDS[0]}")
    if [[ ${command[0]##*/} == python* ]]; then
        if [[ ${COMP_WORDS[1]} == -m && (${COMP_WORDS[2]} == fairrun || ${COMP_WORDS[2]} == fairrun.train) && COMP_CWORD -gt 2 ]]; then
            command+=(-m "${COMP_WORDS[2]}")
        else
            [[ -z $_fairrun_of_python || $_fairrun_of_python == _fairrun_completion ]] || "$_fairrun_of_python" "$@"
            return
        fi
    fi
    typed="${line##*[[:space:]]}"
    replaced="${COMP_WORDS[COMP_CWORD]}"   # the shell splits words at = and :
    [[ $replaced == [=:]* ]] && replaced=""
    before="${typed%"$replaced"}"
    while IFS= read -r reply; do
        COMPREPLY+=("${reply#"$before"}")
    done < <(COMP_LINE="$line" COMP_POINT="$COMP_POINT" "${command[@]}" -sc query=bash 2> /dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./] ]] && compopt -o nospace
}

complete -o default -F _fairrun_completion fairrun python python3
