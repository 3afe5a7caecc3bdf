#!/usr/bin/env bash
# Makes samples/house.pcapng: a small house with real clients and servers, each in a network namespace of its own.
#   sudo scripts/make-sample.sh [OUT.pcapng]
# Nothing leaves the machine. Keys and certificates are made for the run and thrown away with everything else.
# Debian: nginx-light dnsmasq-base openssh-server chrony iperf3 nmap curl dnsutils iputils-ping ngtcp2-client
#         ngtcp2-server ethtool iproute2 tshark openssl
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${1:-$root/samples/house.pcapng}")
work=$(mktemp -d)
hosts=(router internet laptop phone printer nas)
ns() { echo "sample-$$-$1"; }
# on HOST COMMAND…: quietly; its output is in the log.
on() { local host=$1; shift; ip netns exec "$(ns "$host")" "$@" >>"$work/log" 2>&1 </dev/null; }
# serve HOST COMMAND…: in the background until the end.
serve() { local host=$1; shift; ip netns exec "$(ns "$host")" "$@" >>"$work/log" 2>&1 </dev/null & pids+=($!); }
pids=()

cleanup() {
  local status=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for host in "${hosts[@]}"; do
    ip netns delete "$(ns "$host")" 2>/dev/null || true
    rm -rf "/etc/netns/$(ns "$host")"
  done
  rmdir /etc/netns 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 20 "$work/log" >&2
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the house: a bridge in the router joins the LAN; one cable leads from the router to "the internet"
for host in "${hosts[@]}"; do
  ip netns add "$(ns "$host")"
  ip -n "$(ns "$host")" link set lo up
  mkdir -p "/etc/netns/$(ns "$host")"
  printf 'nameserver 192.168.7.1\noptions timeout:2 attempts:1\n' >"/etc/netns/$(ns "$host")/resolv.conf"
  # Tentative IPv6 addresses would delay the servers.
  on "$host" sysctl -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
done
R=$(ns router)
on router sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$R" link add lan type bridge
ip -n "$R" link set lan address 02:00:5e:00:07:01 up
ip -n "$R" address add 192.168.7.1/24 dev lan
ip -n "$R" address add 2001:db8:7::1/64 dev lan

# plain NAMESPACE DEVICE: packets as on a cable, one by one and with their checksums.
plain() { ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null 2>&1; }

join() { # HOST NUMBER
  local name=$1 number=$2 H
  H=$(ns "$name")
  ip -n "$H" link add eth0 address "02:00:5e:00:07:$number" type veth peer name "to-$name" netns "$R"
  ip -n "$R" link set "to-$name" master lan up
  ip -n "$H" link set eth0 up
  ip -n "$H" address add "192.168.7.$number/24" dev eth0
  ip -n "$H" address add "2001:db8:7::$number/64" dev eth0
  ip -n "$H" route add default via 192.168.7.1
  ip -n "$H" route add default via 2001:db8:7::1
  plain "$H" eth0
  plain "$R" "to-$name"
}
plain "$R" lan
join laptop 20
join phone 30
join printer 40
join nas 50

I=$(ns internet)
ip -n "$I" link add eth0 type veth peer name wan netns "$R"
ip -n "$I" link set eth0 up
ip -n "$R" link set wan up
plain "$I" eth0
plain "$R" wan
ip -n "$R" address add 203.0.113.1/24 dev wan
ip -n "$R" address add 2001:db8:ffff::1/64 dev wan
for address in 80 43 123; do
  ip -n "$I" address add "203.0.113.$address/24" dev eth0
  ip -n "$I" address add "2001:db8:ffff::$address/64" dev eth0
done
ip -n "$I" route add default via 203.0.113.1
ip -n "$I" route add default via 2001:db8:ffff::1
ip -n "$R" route add 198.51.100.66/32 via 203.0.113.80
ip -n "$I" route add blackhole 198.51.100.66/32 # a server that has gone: no answer at all

cat >"$work/hosts" <<'HOSTS'
192.168.7.1	router.home
192.168.7.20	laptop.home
192.168.7.30	phone.home
192.168.7.40	printer.home
192.168.7.50	nas.home
203.0.113.80	www.example.com
203.0.113.43	video.example.net
203.0.113.123	time.example.org
198.51.100.66	old.example.net
2001:db8:7::1	router.home
2001:db8:7::20	laptop.home
2001:db8:7::30	phone.home
2001:db8:7::40	printer.home
2001:db8:7::50	nas.home
2001:db8:ffff::80	www.example.com
2001:db8:ffff::43	video.example.net
2001:db8:ffff::123	time.example.org
HOSTS

# --- servers
mkdir -p "$work/www" "$work/nginx" "$work/ssh"
printf '<!doctype html><title>Example</title><p>A page of the sample.\n' >"$work/www/index.html"
head -c 60000 /dev/urandom >"$work/www/photo.jpg"
head -c 45000 /dev/urandom >"$work/www/clip.mp4"
head -c 20000 /dev/urandom >"$work/report.pdf"
head -c 40000 /dev/urandom >"$work/holiday.tar"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=www.example.com \
  -addext 'subjectAltName=DNS:www.example.com,DNS:video.example.net' \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>>"$work/log"
cat >"$work/nginx.conf" <<CONF
daemon off; user root; worker_processes 1; pid $work/nginx/pid; error_log $work/nginx/error.log;
events { worker_connections 64; }
http {
  access_log off; server_tokens off; default_type application/octet-stream;
  client_body_temp_path $work/nginx/a; proxy_temp_path $work/nginx/b; fastcgi_temp_path $work/nginx/c;
  uwsgi_temp_path $work/nginx/d; scgi_temp_path $work/nginx/e;
  server {
    listen 80; listen [::]:80; listen 443 ssl http2; listen [::]:443 ssl http2; root $work/www;
    ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  }
}
CONF
chmod 755 "$work"
serve internet nginx -c "$work/nginx.conf" -e "$work/nginx/error.log"
serve internet gtlsserver -q --htdocs "$work/www" 203.0.113.43 443 "$work/key.pem" "$work/cert.pem"
serve internet gtlsserver -q --htdocs "$work/www" 2001:db8:ffff::43 443 "$work/key.pem" "$work/cert.pem"
printf 'local stratum 2\nallow all\ncmdport 0\npidfile %s\n' "$work/chrony.pid" >"$work/chrony.conf"
serve internet chronyd -x -d -u root -f "$work/chrony.conf"
serve router dnsmasq --keep-in-foreground --no-resolv --no-hosts --local=/home/ --addn-hosts="$work/hosts" --user=root \
  --pid-file="$work/dnsmasq.pid" --log-facility="$work/log"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
ssh-keygen -q -t ed25519 -N '' -C sample -f "$work/ssh/user"
printf '%s\n' "HostKey $work/ssh/host" "AuthorizedKeysFile $work/ssh/user.pub" 'PermitRootLogin yes' 'StrictModes no' \
  'UsePAM no' 'PrintMotd no' 'PrintLastLog no' "PidFile $work/ssh/pid" \
  'Subsystem sftp internal-sftp' >"$work/ssh/config"
mkdir -p /run/sshd
serve nas /usr/sbin/sshd -D -e -f "$work/ssh/config"
serve nas iperf3 --server
# A printer that takes jobs on port 9100, one after the other.
serve printer node -e 'require("node:net").createServer((s) => s.resume().on("end", () => s.end())).listen(9100, "::")'
sleep 2

# --- the capture: the bridge sees every packet of the LAN once
ip netns exec "$R" dumpcap -q -i lan -w "$work/raw.pcapng" >>"$work/log" 2>&1 &
capture=$!
pids+=("$capture")
for _ in $(seq 50); do [ -s "$work/raw.pcapng" ] && break; sleep 0.1; done
sleep 1

# --- what people do
web=(curl --silent --show-error --output /dev/null --cacert "$work/cert.pem" --max-time 10)
on laptop "${web[@]}" -4 http://www.example.com/
on laptop "${web[@]}" -6 http://www.example.com/photo.jpg
on laptop "${web[@]}" -4 https://www.example.com/ https://www.example.com/photo.jpg
on laptop "${web[@]}" -6 --http1.1 https://www.example.com/
on phone "${web[@]}" -6 https://video.example.net/
on phone "${web[@]}" -4 --tls-max 1.2 https://video.example.net/
quic() { # HOST ADDRESS FILE: the client does not leave by itself
  ip netns exec "$(ns "$1")" timeout --preserve-status -s INT 2 gtlsclient -q --no-quic-dump --no-http-dump \
    --exit-on-all-streams-close "$2" 443 "https://video.example.net/$3" >>"$work/log" 2>&1 </dev/null || true
}
quic phone 203.0.113.43 index.html
quic phone 2001:db8:ffff::43 clip.mp4
on phone dig +short +tries=1 video.example.net AAAA
on laptop dig +short +tries=1 nosuchname.home A
on laptop dig +tcp +short +tries=1 nas.home A
on laptop ping -4 -c 4 -i 0.3 router.home
on phone ping -6 -c 3 -i 0.3 www.example.com
on laptop ping -4 -c 2 -i 0.3 -s 4000 nas.home # in fragments
on laptop ping -6 -c 2 -i 0.3 -s 3000 nas.home
ssh=(-F none -q -i "$work/ssh/user" -o BatchMode=yes -o StrictHostKeyChecking=no
  -o "UserKnownHostsFile=$work/ssh/known")
on laptop ssh "${ssh[@]}" root@nas.home 'uname; sleep 1; seq 300'
on laptop scp "${ssh[@]}" "$work/holiday.tar" "root@[nas.home]:$work/copy.tar"
on laptop bash -c "cat '$work/report.pdf' >/dev/tcp/printer.home/9100"
on phone iperf3 --client nas.home --udp --bitrate 400K --time 1 --length 500
on laptop iperf3 --client nas.home -6 --length 10K --bytes 30K
on nas chronyd -Q -t 3 -u root "pidfile $work/chrony2.pid" 'server time.example.org iburst' || true # never sets a clock
on laptop dig +tries=1 +time=1 @printer.home nas.home A || true # refused by ICMP
on laptop curl --silent --max-time 4 http://old.example.net/ || true # never answered
on laptop nmap -n -Pn -sS --max-retries 0 -p 20-59 192.168.7.40 # refused by RST
sleep 1.5
kill -INT "$capture"
wait "$capture" || true
# The two processors of a router stamp packets at their own pace: sort by time.
reordercap "$work/raw.pcapng" "$work/sorted.pcapng" >>"$work/log"
node "$root/scripts/name-sample.mjs" "$work/sorted.pcapng" "$work/hosts" "$out"
capinfos -cdusl "$out" 2>/dev/null
