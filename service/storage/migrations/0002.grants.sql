-- Least privilege: each role gets the statements that its process runs, and no more.
-- depends: 0001.orders

REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, orders_service, orders_worker, orders_exporter;
REVOKE EXECUTE ON FUNCTION notify_outbox() FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO orders_service, orders_worker;

GRANT SELECT, INSERT, UPDATE (status, updated_at, version) ON orders TO orders_service;
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO orders_service;
GRANT SELECT ON payments TO orders_service;
GRANT INSERT, SELECT (id) ON outbox TO orders_service;

GRANT SELECT, UPDATE (status, updated_at, version) ON orders TO orders_worker;
GRANT SELECT, INSERT, UPDATE ON payments TO orders_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO orders_worker;
GRANT SELECT, INSERT ON emails TO orders_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO orders_worker;
GRANT SELECT, DELETE ON idempotency_keys TO orders_worker;
