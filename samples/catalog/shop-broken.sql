-- Rows that formats/catalog must refuse, each for a reason of its own and
-- named, never cut or bent to fit.  Load after shop.sql.

BEGIN;
INSERT INTO products (id, shop, sku, slug, name, created_at) VALUES
    (901, 'harbour', 'BAD-901', 'Café Crème', 'A slug with a space, capitals and accents', '2024-06-01 00:00:00'),
    (902, 'harbour', 'BAD-902', 'this-name-is-one-character-longer-than-the-sixty-three-of-a-labl', 'A slug of 64 characters', '2024-06-01 00:00:00'),
    (903, 'harbour', 'BAD-903', '-leading-dash', 'A slug that begins with a dash', '2024-06-01 00:00:00'),
    (904, 'harbour', 'BAD-904', '', 'An empty slug', '2024-06-01 00:00:00'),
    (905, 'harbour', 'BAD-905', 'a/b', 'A slug with a slash', '2024-06-01 00:00:00'),
    (906, 'harbour', 'BAD-906', 'a.b', 'A slug with a dot', '2024-06-01 00:00:00');
COMMIT;
