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
    COMPREPLY=($(compgen -W 'read run ctl config fields demo completion help version --help --version' -- "$current"))
    return
  fi
  compopt -o filenames 2>/dev/null
  case "${COMP_WORDS[1]}" in
    read)
      case "$previous" in
        --fields) _rheo_list 'id start end duration src srcPort dst dstPort proto packets bytes'; return ;;
        --community-id-seed) return ;;
        --export) COMPREPLY=($(compgen -W 'ipfix:// ipfix+tcp:// ipfix+tls:// ipfix+sctp:// netflow9:// netflow5:// netflow1:// syslog:// syslog+tcp:// syslog+tls:// file:' -- "$current")); return ;;
        --top) return ;;
        --sort) COMPREPLY=($(compgen -W 'bytes packets duration start end rate src dst srcPort dstPort proto flows key' -- "$current")); return ;;
        --group-by) COMPREPLY=($(compgen -W 'address src dst prefix port protocol conversation as' -- "$current")); return ;;
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
        --mrt) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --mmdb) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --as) COMPREPLY=($(compgen -W 'origin neighbour peer previous' -- "$current")); return ;;
        --read|-r) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --threads) return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--json --csv --count --fields --community-id-seed --export --top --sort --group-by --summary --idle-timeout --active-timeout --timeout --key --track --unidirectional --max-flows --when-full --features --tunnels --checksums --sample --scale --max-fragments --fragment-timeout --mrt --mmdb --as -r --read -f --follow --threads -n --no-names --no-color --no-progress -q --quiet -v --verbose --help' -- "$current"))
      else
        COMPREPLY=($(compgen -f -- "$current"))
      fi ;;
    run)
      case "$previous" in
        --interface|-i) COMPREPLY=($(compgen -W 'any' -- "$current")); return ;;
        --snap-length|-s) return ;;
        --netns) return ;;
        --observe) COMPREPLY=($(compgen -W 'ring ebpf' -- "$current")); return ;;
        --ring-memory) return ;;
        --threads) return ;;
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
        --mrt) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --mmdb) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --as) COMPREPLY=($(compgen -W 'origin neighbour peer previous' -- "$current")); return ;;
        --export) COMPREPLY=($(compgen -W 'ipfix:// ipfix+tcp:// ipfix+tls:// ipfix+sctp:// netflow9:// netflow5:// netflow1:// syslog:// syslog+tcp:// syslog+tls:// file:' -- "$current")); return ;;
        --community-id-seed) return ;;
        --control-socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --control-group) return ;;
        --http-listen) return ;;
        --http-tls-cert) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-tls-key) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-client-ca) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-token-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --log-level) COMPREPLY=($(compgen -W 'fatal error warn info debug trace silent' -- "$current")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'json readable auto' -- "$current")); return ;;
        --log-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --statistics-interval) return ;;
        --config|-c) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --user) return ;;
        --group) return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '-i --interface -s --snap-length -p --no-promiscuous --netns --observe --ring-memory --dedupe --threads --idle-timeout --active-timeout --timeout --key --track --unidirectional --max-flows --when-full --features --tunnels --checksums --sample --scale --max-fragments --fragment-timeout --mrt --mmdb --as --export --community-id-seed --control-socket --control-group --http-listen --http-tls-cert --http-tls-key --http-client-ca --http-token-file --log-level --log-format --log-file --statistics-interval -c --config --user --group --pid-file --help' -- "$current"))
      else
        :
      fi ;;
    ctl)
      case "$previous" in
        --control-socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --url) return ;;
        --token-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --ca) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --cert) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --cert-key) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --every) return ;;
        --sort) return ;;
        --limit) return ;;
        --offset) return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--control-socket --url --token-file --ca --cert --cert-key --json -w --watch --every --binary -n --no-names --no-color --sort --reverse --limit --offset --help' -- "$current"))
      else
        COMPREPLY=($(compgen -W 'statistics flows top dump-flows expire expire-all delete delete-all timeouts loss interfaces enrichment health metrics subscribe start-gather stop-gather send-template log-level debug+ debug- config reload version shutdown exit' -- "$current"))
      fi ;;
    config)
      case "$previous" in
        --interface|-i) COMPREPLY=($(compgen -W 'any' -- "$current")); return ;;
        --snap-length|-s) return ;;
        --netns) return ;;
        --observe) COMPREPLY=($(compgen -W 'ring ebpf' -- "$current")); return ;;
        --ring-memory) return ;;
        --threads) return ;;
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
        --mrt) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --mmdb) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --as) COMPREPLY=($(compgen -W 'origin neighbour peer previous' -- "$current")); return ;;
        --export) COMPREPLY=($(compgen -W 'ipfix:// ipfix+tcp:// ipfix+tls:// ipfix+sctp:// netflow9:// netflow5:// netflow1:// syslog:// syslog+tcp:// syslog+tls:// file:' -- "$current")); return ;;
        --community-id-seed) return ;;
        --control-socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --control-group) return ;;
        --http-listen) return ;;
        --http-tls-cert) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-tls-key) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-client-ca) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --http-token-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --log-level) COMPREPLY=($(compgen -W 'fatal error warn info debug trace silent' -- "$current")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'json readable auto' -- "$current")); return ;;
        --log-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --statistics-interval) return ;;
        --config|-c) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --user) return ;;
        --group) return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--json --origin -i --interface -s --snap-length -p --no-promiscuous --netns --observe --ring-memory --dedupe --threads --idle-timeout --active-timeout --timeout --key --track --unidirectional --max-flows --when-full --features --tunnels --checksums --sample --scale --max-fragments --fragment-timeout --mrt --mmdb --as --export --community-id-seed --control-socket --control-group --http-listen --http-tls-cert --http-tls-key --http-client-ca --http-token-file --log-level --log-format --log-file --statistics-interval -c --config --user --group --pid-file --help' -- "$current"))
      else
        COMPREPLY=($(compgen -W 'check print schema' -- "$current"))
      fi ;;
    fields)
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '--json --help' -- "$current"))
      else
        :
      fi ;;
    demo)
      case "$previous" in
        --interface|-i) COMPREPLY=($(compgen -W 'any' -- "$current")); return ;;
      esac
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '-i --interface --sample --json -n --no-names --no-color --help' -- "$current"))
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
        COMPREPLY=($(compgen -W 'read run ctl config fields demo completion help version' -- "$current"))
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
