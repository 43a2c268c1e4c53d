# What a person types. `just` lists it.

set dotenv-load

# The database of docker-compose.yml, unless `DATABASE_URL` (or `.env`) names another.
compose_url := "postgres://underpin:underpin@127.0.0.1:5433/underpin"
export DATABASE_URL := env("DATABASE_URL", compose_url)
# Which migrations: `bot`, `project` or `registry`.
set_name := env("SET", "bot")
compose := shell("docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose")
underpin := "cargo run --quiet --package underpin-cli -- --set " + set_name

[private]
default:
    @just --list --unsorted

# Start the service, its schema brought up to date first
run *args:
    cargo run --package underpin-service -- --migrate {{ args }}

# Run every test on SQLite and PostgreSQL
test *args:
    scripts/test {{ args }}

# Format, lints, licences and advisories, as CI checks them
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --features underpin-cli/failpoints,underpin-projects/failpoints,underpin-bench/load -- -D warnings
    cargo deny --all-features check

# Measure against sqlite3, psql and the plain drivers
bench *args:
    scripts/bench {{ args }}

# Start PostgreSQL and wait until it is healthy
db-up:
    #!/usr/bin/env bash
    set -euo pipefail
    {{ compose }} up -d postgres
    for _ in $(seq 60); do
        health=$(docker inspect --format '{{{{.State.Health.Status}}' "$({{ compose }} ps -q postgres)")
        [[ $health == healthy ]] && exit 0
        sleep 1
    done
    echo 'db-up: PostgreSQL is not healthy after 60 s: see `just db-logs`' >&2
    exit 1

# Stop it; the data stays
db-down:
    {{ compose }} down

# Apply what is pending; starts PostgreSQL first when it is ours and not running
db-migrate target="head": _started
    {{ underpin }} upgrade {{ target }}

# Empty the database, all tables and data, then migrate
db-reset: _started
    #!/usr/bin/env bash
    set -euo pipefail
    case $DATABASE_URL in
    '{{ compose_url }}')
        {{ compose }} exec -T postgres psql -q -U underpin -d underpin \
            -c 'SET client_min_messages = warning' -c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public'
        ;;
    sqlite:*)
        path=${DATABASE_URL#sqlite:}; path=${path#///}; path=${path#//}
        [[ $DATABASE_URL == sqlite:////* ]] && path=/$path
        rm -f -- "$path" "$path-wal" "$path-shm"
        mkdir -p -- "$(dirname -- "$path")"
        ;;
    *)
        echo 'db-reset: empties only an SQLite file or the database of docker-compose.yml' >&2
        exit 2
        ;;
    esac
    {{ underpin }} upgrade

# Run every test on both dialects
db-test *args:
    scripts/test {{ args }}

# Write a new migration for both dialects: `just db-revision "add emoji count"`
db-revision message:
    {{ underpin }} revision -m {{ quote(message) }}

# What is applied, and what is pending
db-status: _started
    {{ underpin }} current

# Every migration: when, how long, by whom
db-history: _started
    {{ underpin }} history

# Take migrations back, newest first
db-rollback steps="1": _started
    {{ underpin }} downgrade -{{ steps }}

# What PostgreSQL logged
db-logs:
    {{ compose }} logs --tail=100 postgres

# Starts PostgreSQL when the URL is the compose one and nobody listens there.
_started:
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ $DATABASE_URL == '{{ compose_url }}' ]] && ! (exec 3<>/dev/tcp/127.0.0.1/5433) 2>/dev/null; then
        just db-up
    elif [[ $DATABASE_URL == sqlite:* ]]; then
        path=${DATABASE_URL#sqlite:}; path=${path#///}; path=${path#//}
        [[ $DATABASE_URL == sqlite:////* ]] && path=/$path
        mkdir -p -- "$(dirname -- "$path")"
    fi
