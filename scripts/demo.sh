#!/usr/bin/env bash
# demo.sh BUILD_DIR: runs the main job and shows that it works. `leat serve` on all cores answers
# curl, wrk and `leat load`; then a table, then a drain under load. Ends by itself in about a minute,
# with status 0 only if everything worked.
set -euo pipefail

build=${1:?usage: demo.sh BUILD_DIR}
leat=$(readlink -f "$build/apps/leat/leat")
[[ -x $leat ]] || { echo "demo.sh: $build/apps/leat/leat is not there: build it first" >&2; exit 1; }
for tool in curl wrk python3; do
  command -v "$tool" >/dev/null || { echo "demo.sh: $tool is missing" >&2; exit 1; }
done

readonly wrk_seconds=6 open_seconds=6
cores=$(nproc)
# So many that, whatever the kernel's hash, every loop gets some.
connections=$((cores > 8 ? 8 * cores : 64))
work=$(mktemp -d)
site=$work/site
server=0
failures=0

cleanup() {
  if ((server != 0)); then
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

# Reporting.

ok() { printf '  ok    %s\n' "$1"; }
wrong() {
  printf '  WRONG %s\n' "$1"
  [[ -z ${2:-} ]] || printf '        %s\n' "$2"
  failures=$((failures + 1))
}
# check NAME EXPECTED ACTUAL
check() { if [[ $2 == "$3" ]]; then ok "$1"; else wrong "$1" "expected '$2', got '$3'"; fi; }
title() { printf '\n%s\n' "$*"; }

# json FILE EXPRESSION: the value of a Python expression over the JSON in FILE, as d.
json() { python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"; }

# The server.

# start_server BALANCE: sets $server, $port and $url.
start_server() {
  : >"$work/log"
  "$leat" serve --listen 127.0.0.1:0 --loops "$cores" --balance "$1" --json "$site" \
    >"$work/log" 2>"$work/errors" &
  server=$!
  local deadline=$((SECONDS + 20))
  until grep -q '"event":"listening"' "$work/log"; do
    if ! kill -0 "$server" 2>/dev/null || ((SECONDS > deadline)); then
      wrong "leat serve starts" "$(cat "$work/errors")"
      exit 1
    fi
    sleep 0.05
  done
  head -n 1 "$work/log" >"$work/start"
  port=$(json "$work/start" 'd["addresses"][0].rsplit(":")[-1]')
  url=http://127.0.0.1:$port
}

# stop_server NAME: SIGTERM; the exit status in $status, the report in stop.NAME.
stop_server() {
  kill -TERM "$server"
  status=0
  wait "$server" || status=$?
  server=0
  tail -n 1 "$work/log" >"$work/stop.$1"
}

# check_loops NAME WHAT CONDITION: over n, the connections that each loop got, in Python.
check_loops() {
  local accepted holds=False
  accepted=$(json "$work/stop.$1" '[loop["accepted"] for loop in d["counters"]["loops"]]' 2>&1) &&
    holds=$(python3 -c "n = $accepted; print($3)")
  if [[ $holds == True ]]; then ok "$1: $2: $accepted"; else wrong "$1: $2" "$accepted"; fi
}

# cpu_ticks: user and system time of the server so far (man 5 proc, fields 14 and 15).
cpu_ticks() { sed 's/.*) //' "/proc/$server/stat" | awk '{print $12 + $13}'; }

# Steps.

make_site() {
  mkdir -p "$site/sub"
  head -c 1024 /dev/urandom | base64 -w 76 | head -c 1024 >"$site/page.html"
  head -c 8388608 /dev/urandom >"$site/big.bin"
  echo "in a folder" >"$site/sub/note.txt"
}

status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

ask_curl() {
  title "curl asks"
  curl -s "$url/page.html" -o "$work/got"
  if cmp -s "$work/got" "$site/page.html"; then ok "a page, byte by byte"; else wrong "a page"; fi
  curl -s "$url/big.bin" -o "$work/got"
  if cmp -s "$work/got" "$site/big.bin"; then ok "8 MiB, byte by byte"; else wrong "8 MiB"; fi
  check "a range is 206" 206 "$(status_of -r 1000-1999 "$url/big.bin")"
  curl -s -r 1000-1999 "$url/big.bin" -o "$work/got"
  if cmp -s "$work/got" <(tail -c +1001 "$site/big.bin" | head -c 1000); then
    ok "and those very bytes"
  else
    wrong "and those very bytes"
  fi
  local changed etag
  changed=$(curl -sI "$url/page.html" | tr -d '\r' | sed -n 's/^[Ll]ast-[Mm]odified: //p')
  check "If-Modified-Since is 304" 304 "$(status_of -H "If-Modified-Since: $changed" "$url/page.html")"
  etag=$(curl -sI "$url/page.html" | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')
  check "If-None-Match is 304" 304 "$(status_of -H "If-None-Match: $etag" "$url/page.html")"
  check "what is missing is 404" 404 "$(status_of "$url/missing")"
  check "a way out of the folder is refused" 4 \
    "$(status_of --path-as-is "$url/../../../etc/passwd" | cut -c1)"
  check "a folder is listed" 200 "$(status_of "$url/sub/")"
  check "keep-alive: two requests, one connection" "1 0" \
    "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects}\n' "$url/page.html" \
      "$url/sub/note.txt" | paste -sd ' ')"
  check "pipelining: three requests at once, three answers in order" "200 404 200" \
    "$(python3 - "$port" <<'PYTHON'
import re, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
paths = ["/page.html", "/missing", "/sub/note.txt"]
request = "".join(f"GET {p} HTTP/1.1\r\nHost: demo\r\n\r\n" for p in paths[:-1])
request += f"GET {paths[-1]} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n"
s.sendall(request.encode())
answer = b""
while piece := s.recv(65536):
    answer += piece
print(*(m.decode() for m in re.findall(rb"HTTP/1\.1 (\d{3})", answer)))
PYTHON
    )"
}

cat >"$work/report.lua" <<'LUA'
done = function(summary, latency, requests)
  local e = summary.errors
  local file = io.open(os.getenv("WRK_REPORT"), "w")
  file:write(string.format(
    '{"requests": %d, "duration_s": %f, "p50": %d, "p99": %d, "p99_9": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
  file:close()
end
LUA

# row NAME RATE P50 P99 P99.9 CPU_US SPREAD
row() { printf '  %-26s %10s %9s %9s %9s %9s  %s\n' "$@"; }

# shares BEFORE AFTER: how the loops shared the connections made between two sets of counters.
shares() {
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
before, after = (json.load(open(f))["loops"] for f in sys.argv[1:])
print(" ".join(str(a["accepted"] - b["accepted"]) for a, b in zip(after, before)))
PYTHON
}

# measure BALANCE: two rows of the table.
measure() {
  local ticks cpu rate half name
  ticks=$(cpu_ticks)
  curl -s "$url/.leat/counters" -o "$work/before"
  WRK_REPORT=$work/wrk wrk -t "$cores" -c "$connections" -d "${wrk_seconds}s" \
    -s "$work/report.lua" "$url/page.html" >/dev/null
  curl -s "$url/.leat/counters" -o "$work/after"
  ticks=$(($(cpu_ticks) - ticks))
  cpu=$(json "$work/wrk" "round($ticks * 1e6 / $(getconf CLK_TCK) / max(1, d['requests']), 1)")
  rate=$(json "$work/wrk" 'round(d["requests"] / d["duration_s"])')
  name="$1, wrk"
  row "$name" "$rate" "$(json "$work/wrk" 'd["p50"]')" "$(json "$work/wrk" 'd["p99"]')" \
    "$(json "$work/wrk" 'd["p99_9"]')" "$cpu" "$(shares "$work/before" "$work/after")"
  wrk_errors=$((${wrk_errors:-0} + $(json "$work/wrk" 'd["errors"]')))

  half=$((rate / 2))
  ticks=$(cpu_ticks)
  mv "$work/after" "$work/before"
  "$leat" load "$url/page.html" --connections "$connections" --rate "$half" --warmup 0.5 \
    --duration "$open_seconds" --json >"$work/load" || load_failed="$1: $(cat "$work/load")"
  curl -s "$url/.leat/counters" -o "$work/after"
  ticks=$(($(cpu_ticks) - ticks))
  cpu=$(json "$work/load" \
    "round($ticks * 1e6 / $(getconf CLK_TCK) / max(1, d['requests'] + $half // 2), 1)")
  row "$1, half of it" "$(json "$work/load" 'round(d["requests_per_s"])')" \
    "$(json "$work/load" 'round(d["latency_us"]["p50"])')" \
    "$(json "$work/load" 'round(d["latency_us"]["p99"])')" \
    "$(json "$work/load" 'round(d["latency_us"]["p99_9"])')" "$cpu" \
    "$(shares "$work/before" "$work/after")"
}

# Slow downloads are under way when SIGTERM comes; each must arrive whole.
drain_under_load() {
  title "SIGTERM while 16 clients are downloading 8 MiB each, slowly"
  local pids=() i whole=0 deadline=$((SECONDS + 20))
  for i in {1..16}; do
    curl -s --limit-rate 3M "$url/big.bin" -o "$work/slow.$i" &
    pids+=($!)
  done
  until curl -s "$url/.leat/counters" -o "$work/counters" &&
    (($(json "$work/counters" 'd["open"]') >= 17)) || ((SECONDS > deadline)); do
    sleep 0.05
  done
  stop_server round_robin
  for i in "${!pids[@]}"; do
    if wait "${pids[$i]}" && cmp -s "$work/slow.$((i + 1))" "$site/big.bin"; then
      whole=$((whole + 1))
    fi
  done
  check "downloads that arrived whole" 16 "$whole"
  check "exit status of the server" 0 "$status"
  check "connections cut" 0 "$(json "$work/stop.round_robin" 'd["cut"]')"
  check_loops round_robin "every loop got the same" 'max(n) - min(n) <= 1'
}

printf 'Leat on %s cores of %s, Linux %s\n' "$cores" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | sed 's/^$/an unnamed CPU/')" \
  "$(uname -r)"
make_site
start_server kernel_hash
printf 'leat serve listens on 127.0.0.1:%s with %s loops, process %s\n' "$port" "$cores" "$server"
ask_curl

title "$connections connections ask for a page of 1 KiB; clients and server share the $cores cores"
wrk_errors=0 load_failed=''
row "balance, client" "requests/s" "p50 us" "p99 us" "p99.9 us" "CPU us" "connections by loop"
measure kernel_hash
stop_server kernel_hash
first_status=$status
start_server round_robin
measure round_robin
echo "  'half of it': leat load, open loop at half of wrk's rate; CPU us: server CPU time a request"
check "errors that wrk saw" 0 "$wrk_errors"
check "errors that leat load saw" "" "$load_failed"
check "exit status of the first server" 0 "$first_status"
check_loops kernel_hash "every loop got connections" 'min(n) >= 1'

drain_under_load

if ((failures > 0)); then
  printf '\n%s steps went wrong.\n' "$failures"
  exit 1
fi
printf '\nEverything worked.\n'
