-- The tables. Every statement can run again: a process killed between applying and marking
-- a migration leaves it to the next one.

CREATE TABLE IF NOT EXISTS orders (
    id          uuid PRIMARY KEY,
    customer_id text NOT NULL CHECK (length(customer_id) BETWEEN 1 AND 64),
    status      text NOT NULL CHECK (status IN ('pending', 'confirmed', 'payment_failed', 'cancelled')),
    items       jsonb NOT NULL,
    currency    char(3) NOT NULL,
    total_cents bigint NOT NULL CHECK (total_cents >= 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     integer NOT NULL CHECK (version >= 1)
) WITH (fillfactor = 80);

-- A customer's orders, newest first; the id breaks ties, so a page can start anywhere.
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id, created_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS idempotency_keys (
    key          text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    order_id     uuid NOT NULL,
    status_code  smallint NOT NULL,
    response     json NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE IF NOT EXISTS payments (
    order_id           uuid NOT NULL REFERENCES orders (id),
    kind               text NOT NULL CHECK (kind IN ('charge', 'refund')),
    state              text NOT NULL CHECK (state IN ('started', 'succeeded', 'declined', 'voided')),
    provider_reference text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, kind)
);

CREATE TABLE IF NOT EXISTS outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     uuid NOT NULL,
    task         text NOT NULL,
    queue        text NOT NULL,
    payload      jsonb NOT NULL,
    attempt      integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    starts       integer NOT NULL DEFAULT 0 CHECK (starts >= 0),
    traceparent  text,
    tracestate   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    due_at       timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    poisoned_at  timestamptz,
    last_error   text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- The relay asks for what is due, and whether an older row of the same order is due too.
CREATE INDEX IF NOT EXISTS outbox_unsent_by_due ON outbox (due_at, id)
    WHERE published_at IS NULL AND poisoned_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_unsent_by_order ON outbox (order_id, id)
    WHERE published_at IS NULL AND poisoned_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_poisoned ON outbox (poisoned_at) WHERE poisoned_at IS NOT NULL;
-- What was sent and is not finished: the worker's answer to a broker that lost a message.
CREATE INDEX IF NOT EXISTS outbox_sent ON outbox (published_at)
    WHERE published_at IS NOT NULL AND poisoned_at IS NULL;

CREATE TABLE IF NOT EXISTS emails (
    order_id   uuid NOT NULL REFERENCES orders (id),
    kind       text NOT NULL CHECK (kind IN ('confirmed', 'payment_failed', 'cancelled')),
    message_id text NOT NULL,
    sent_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, kind)
);

CREATE TABLE IF NOT EXISTS dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task        text NOT NULL,
    queue       text NOT NULL,
    order_id    uuid NOT NULL,
    payload     jsonb NOT NULL,
    attempt     integer NOT NULL,
    error_type  text NOT NULL,
    error       text NOT NULL,
    traceparent text,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);

CREATE INDEX IF NOT EXISTS dead_letters_waiting ON dead_letters (task, failed_at)
    WHERE replayed_at IS NULL;

-- One notification per transaction, however many rows it writes.
CREATE OR REPLACE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY outbox;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER outbox_written AFTER INSERT OR UPDATE OF due_at ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox();
