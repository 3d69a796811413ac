#!/usr/bin/env bash
# A pipeline's load test, from nothing to a verdict: the broker, the server, its data, a token, a look, a run.
# Takes options of `wstui run`; its exit status is that of the run. Everything that it starts ends with it.
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT

export NATS_URL="nats://127.0.0.1:${NATS_PORT:-4222}" WS_URL="ws://127.0.0.1:${WS_PORT:-3001}/ws"
export JWT_SECRET="${JWT_SECRET:-$(python3 -c 'import secrets; print(secrets.token_hex(32))')}"

nats-server -a 127.0.0.1 -p "${NATS_PORT:-4222}" >nats.log 2>&1 &
wstui server --port "${WS_PORT:-3001}" >server.log 2>&1 &
wstui publisher >publisher.log 2>&1 &
timeout 30 bash -c 'until grep -q "^ready" server.log && grep -q "^ready" publisher.log; do sleep 0.1; done'

AUTH_TOKEN="$(wstui token)"
export AUTH_TOKEN
wstui check quick
wstui run quick --scale 0.2 --ramp 1s --hold 3s --no-store \
    --junit junit.xml --json result.json --markdown summary.md "$@"
