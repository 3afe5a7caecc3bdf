# bash completion for rheo: put it in ~/.local/share/bash-completion/completions/rheo
_rheo_list() {
  local before='' last="$current"
  if [[ $current == *,* ]]; then
    before="${current%,*},"
    last="${current##*,}"
  fi
  COMPREPLY=($(compgen -P "$before" -W "$1" -- "$last"))
  compopt -o nospace 2>/dev/null
}

_rheo() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W 'read demo completion help version --help --version' -- "$current"))
    return
  fi
  compopt -o filenames 2>/dev/null
  case "${COMP_WORDS[1]}" in
    read)
      case "$previous" in
        --fields) _rheo_list 'id start end duration src srcPort dst dstPort proto packets bytes'; return ;;
        --community-id-seed) return ;;
        --top) return ;;
        --sort) COMPREPLY=($(compgen -W 'bytes packets duration start end rate src dst srcPort dstPort proto flows key' -- "$current")); return ;;
        --group-by) COMPREPLY=($(compgen -W 'address src dst prefix port protocol conversation' -- "$current")); return ;;
        --idle-timeout) return ;;
        --active-timeout) return ;;
        --timeout) COMPREPLY=($(compgen -W 'tcp= tcp.syn= tcp.fin= tcp.rst= udp= icmp= single= other=' -- "$current")); return ;;
        --key) _rheo_list 'vlan mac dscp tos interface mpls tunnel flowLabel'; return ;;
        --track) COMPREPLY=($(compgen -W 'ip proto port full vlan ether' -- "$current")); return ;;
        --max-flows) return ;;
        --when-full) COMPREPLY=($(compgen -W 'evict refuse early' -- "$current")); return ;;
        --features) _rheo_list 'vlan tunnel tos ttl flowLabel length fragments layer2 payload mac interface mpls window windowScale mss tcpOptions roundTrip controlCounts retransmissions outOfOrder zeroWindows interArrival slots splt entropy firstBytes all none'; return ;;
        --tunnels) _rheo_list 'ipip gre nvgre erspan vxlan geneve gtpu teredo l2tp all none'; return ;;
        --sample) COMPREPLY=($(compgen -W 'count: random: hash:' -- "$current")); return ;;
        --max-fragments) return ;;
        --fragment-timeout) return ;;
        --read|-r) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --threads) return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--json --csv --count --fields --community-id-seed --top --sort --group-by --summary --idle-timeout --active-timeout --timeout --key --track --unidirectional --max-flows --when-full --features --tunnels --checksums --sample --scale --max-fragments --fragment-timeout -r --read -f --follow --threads -n --no-names --no-color --no-progress -q --quiet -v --verbose --help' -- "$current"))
      else
        COMPREPLY=($(compgen -f -- "$current"))
      fi ;;
    demo)
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--help' -- "$current"))
      else
        :
      fi ;;
    completion)
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--help' -- "$current"))
      else
        COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current"))
      fi ;;
    help)
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--help' -- "$current"))
      else
        COMPREPLY=($(compgen -W 'read demo completion help version' -- "$current"))
      fi ;;
    version)
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--help' -- "$current"))
      else
        :
      fi ;;
  esac
}

complete -F _rheo rheo
