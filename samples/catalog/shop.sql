-- The legacy installation of a small coffee and tea shop, as such shops really
-- are after some years: integer ids, a uid that only newer rows have, prices in
-- a DECIMAL column (which SQLite keeps as REAL or INTEGER), two ways to write a
-- time, JSON in a text column, tags without a key, and a duplicate among them.
--
-- Load it with make-shop.sh.  Everything here can be carried by
-- formats/catalog; shop-broken.sql adds rows that cannot.

PRAGMA foreign_keys = ON;
BEGIN;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT
) WITHOUT ROWID;

CREATE TABLE shops (
    code       TEXT NOT NULL PRIMARY KEY,
    title      TEXT NOT NULL,
    currency   CHAR(3) NOT NULL DEFAULT 'EUR',
    created_at DATETIME NOT NULL
);

-- A category's path holds its ancestors: 'coffee/beans/espresso'.
CREATE TABLE categories (
    id          INTEGER PRIMARY KEY,
    shop        TEXT NOT NULL REFERENCES shops (code),
    parent_path TEXT,
    slug        TEXT NOT NULL,
    path        TEXT NOT NULL,
    title       TEXT NOT NULL,
    position    INTEGER,
    UNIQUE (shop, path)
);

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    shop        TEXT NOT NULL REFERENCES shops (code),
    sku         TEXT NOT NULL UNIQUE,
    slug        TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    category_id INTEGER REFERENCES categories (id),
    attributes  TEXT CHECK (attributes IS NULL OR json_valid(attributes)),
    uid         TEXT UNIQUE,
    active      BOOLEAN NOT NULL DEFAULT 1,
    created_at  DATETIME NOT NULL,
    updated_at  DATETIME,
    version     INTEGER NOT NULL DEFAULT 1,
    UNIQUE (shop, slug)
);
CREATE INDEX products_by_category ON products (category_id);
CREATE TRIGGER products_touch AFTER UPDATE OF name, description, attributes, active ON products
BEGIN
    UPDATE products SET version = OLD.version + 1, updated_at = CURRENT_TIMESTAMP WHERE id = OLD.id;
END;

CREATE TABLE variants (
    id         INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    code       TEXT NOT NULL,
    title      TEXT NOT NULL,
    price      DECIMAL(10,2) NOT NULL,
    compare_at DECIMAL(10,2),
    weight_g   INTEGER,
    stock      INTEGER NOT NULL DEFAULT 0,
    barcode    TEXT,
    UNIQUE (product_id, code)
);

CREATE TABLE product_tags (
    product_id INTEGER NOT NULL REFERENCES products (id),
    tag        TEXT NOT NULL
);
CREATE INDEX product_tags_by_product ON product_tags (product_id);

CREATE TABLE collections (
    id           INTEGER PRIMARY KEY,
    shop         TEXT NOT NULL REFERENCES shops (code),
    handle       TEXT NOT NULL,
    title        TEXT NOT NULL,
    rules        TEXT,
    uid          TEXT,
    published_at INTEGER,              -- seconds since 1970; NULL = a draft
    created_at   INTEGER NOT NULL,
    UNIQUE (shop, handle)
);

CREATE TABLE collection_products (
    collection_id INTEGER NOT NULL REFERENCES collections (id),
    product_id    INTEGER NOT NULL REFERENCES products (id),
    position      INTEGER NOT NULL,
    PRIMARY KEY (collection_id, product_id)
) WITHOUT ROWID;

-- Open shopping carts.  They are worth nothing the day after and are left behind.
CREATE TABLE carts (
    token      BLOB NOT NULL PRIMARY KEY,
    lines      TEXT NOT NULL,
    touched_at INTEGER NOT NULL
);

INSERT INTO settings VALUES
    ('schema_version', '7'),
    ('mail.sender', 'shop@harbour.example'),
    ('theme', 'kontor'),
    ('maintenance', NULL);

INSERT INTO shops VALUES
    ('harbour', 'Harbour Coffee & Tea', 'EUR', '2016-04-01 08:00:00'),
    ('outlet',  'Harbour’s Outlet — “2. Wahl”', 'EUR', '2019-11-05 17:30:00');

INSERT INTO categories (id, shop, parent_path, slug, path, title, position) VALUES
    ( 1, 'harbour', NULL,            'coffee',      'coffee',                 'Coffee', 1),
    ( 2, 'harbour', 'coffee',        'beans',       'coffee/beans',           'Beans', 1),
    ( 3, 'harbour', 'coffee/beans',  'espresso',    'coffee/beans/espresso',  'Espresso', 1),
    ( 4, 'harbour', 'coffee/beans',  'filter',      'coffee/beans/filter',    'Filter / pour-over', 2),
    ( 5, 'harbour', 'coffee/beans',  'decaf',       'coffee/beans/decaf',     'Decaf', NULL),
    ( 6, 'harbour', 'coffee',        'accessories', 'coffee/accessories',     'Accessories', 2),
    ( 7, 'harbour', NULL,            'tea',         'tea',                    'Tea', 2),
    ( 8, 'harbour', 'tea',           'green',       'tea/green',              'Green · 緑茶', 1),
    ( 9, 'harbour', 'tea',           'black',       'tea/black',              'Black', 2),
    (10, 'harbour', 'tea',           'herbal',      'tea/herbal',             'Herbal (Kräutertee)', 3),
    (11, 'harbour', 'tea',           'accessories', 'tea/accessories',        'Accessories', 4),
    (12, 'harbour', NULL,            'gifts',       'gifts',                  'Gifts & vouchers', 3),
    (13, 'outlet',  NULL,            'coffee',      'coffee',                 'Coffee, near its date', 1),
    (14, 'outlet',  NULL,            'crockery',    'crockery',               'Crockery, slightly chipped', 2);

INSERT INTO products (id, shop, sku, slug, name, description, category_id, attributes, uid, active,
                      created_at, updated_at, version) VALUES
    ( 1, 'harbour', 'COF-001', 'harbour-espresso', 'Harbour Espresso',
      'Our house espresso since 2016: dark chocolate, hazelnut, hardly any acidity.', 3,
      '{"origin":["Brazil","India"],"roast":5,"organic":false,"arabica":0.8}', NULL, 1,
      '2016-04-01 09:12:44', '2024-02-19 07:45:10', 23),
    ( 2, 'harbour', 'COF-002', 'night-watch', 'Night Watch',
      'For those who have to stay awake. 100 % canephora, and proud of it.', 3,
      '{"origin":["Uganda"],"roast":5,"organic":false,"arabica":0}', NULL, 1,
      '2016-04-01 09:20:02', '2023-10-02 12:00:00', 9),
    ( 3, 'harbour', 'COF-003', 'fifty-fifty', '50/50 Blend', 'Half and half; name with a slash since 2017.', 3,
      '{"origin":["Brazil","Viet Nam"],"roast":4,"arabica":0.5}', NULL, 1,
      '2017-01-20 10:00:00', NULL, 1),
    ( 4, 'harbour', 'COF-010', 'yirgacheffe', 'Äthiopien Yirgacheffe — ይርጋ ጨፌ',
      'Washed at the Konga station. Jasmine, bergamot, a little peach.', 4,
      '{"origin":["Ethiopia"],"roast":2,"organic":true,"altitude_m":[1900,2200],"process":"washed"}',
      '5f0c1b9e-8a34-4c0e-9a3f-0d2f6f1c7a10', 1, '2020-06-15 06:30:00', '2024-05-28 16:02:33', 14),
    ( 5, 'harbour', 'COF-011', 'huila-supremo', 'Colombia Huila “Supremo”',
      'Caramel and red apple; the one that everybody likes.', 4,
      '{"origin":["Colombia"],"roast":3,"organic":false,"process":"washed"}',
      'b3c9a6a2-5f0d-4e0e-8f57-3e4f3cf0b9d1', 1, '2020-06-15 06:31:00', '2024-05-28 16:02:41', 12),
    ( 6, 'harbour', 'COF-012', 'sidamo-natural', 'Sidamo, natural', NULL, 4,
      '{"origin":["Ethiopia"],"roast":2,"process":"natural"}',
      '0f7e8d52-3f5d-4e29-8f1f-0a9d5a8b7c11', 1, '2021-03-02 11:11:11', NULL, 1),
    ( 7, 'harbour', 'COF-013', 'sumatra', 'Sumatra Mandheling' || char(10) || 'Grade 1',
      'Wet-hulled: earth, cedar, tobacco. The line break in its name is from an old import.', 4,
      '{"origin":["Indonesia"],"roast":4}', NULL, 1, '2018-09-09 09:09:09', '2022-01-03 08:00:00', 4),
    ( 8, 'harbour', 'COF-014', 'gesha', 'Panamá Gesha 🏆',
      'Competition lot. Four kilos a year, then it is gone.', 4,
      '{"origin":["Panama"],"roast":1,"score":91.25,"lot":"007","notes":{"nose":"jasmine","cup":["papaya","lime"]}}',
      'd1a3f7c4-98c2-4d7e-a3c1-5b6f0f4e2a22', 0, '2022-08-30 13:37:00', '2024-01-01 00:00:00', 6),
    ( 9, 'harbour', 'COF-020', 'swiss-decaf', 'Décaf “Swiss Water”', 'Without solvents, with taste.', 5,
      '{"origin":["Mexico"],"roast":3,"caffeine_pct":0.1}', NULL, 1,
      '2017-05-05 05:05:05', '2021-12-24 18:00:00', 7),
    (10, 'harbour', 'COF-021', 'sparkling-decaf', 'Sparkling CO₂ Decaf', '', 5, NULL,
      '7a0d6b7e-21d4-4a8b-9f6e-9d8e7c6b5a33', 1, '2023-02-14 14:02:23', NULL, 1),
    (11, 'harbour', 'ACC-101', 'hand-grinder', 'Hand grinder "Möwe"', 'Steel burrs, 48 clicks, made to be repaired.', 6,
      '{"colour":["black","steel"],"warranty_years":10}', NULL, 1,
      '2016-11-11 11:11:00', '2024-03-03 03:03:03', 18),
    (12, 'harbour', 'ACC-102', 'v60', 'Dripper V60', NULL, 6, '{"material":"ceramic","size":"02"}', NULL, 1,
      '2016-11-11 11:15:00', NULL, 2),
    (13, 'harbour', 'ACC-103', 'filters-02', 'Paper filters 02 (100×)', 'Unbleached.', 6, '{}', NULL, 1,
      '2016-11-11 11:16:00', NULL, 1),
    (14, 'harbour', 'ACC-104', 'scale', 'Scale, 0.1 g', 'Counts the seconds as well.', 6,
      '{"usb":"C","max_g":2000}', 'c0ffee00-1234-4abc-8def-000000000014', 1,
      '2023-09-01 07:00:00', '2024-04-30 21:59:59', 3),
    (15, 'harbour', 'ACC-105', 'moka-pot', 'Caffettiera «Moka» 3/6 tazze', 'Alluminio, non va in lavastoviglie.', 6,
      '{"cups":[3,6]}', NULL, 1, '2018-02-28 23:59:59', '2020-02-29 12:00:00', 5),
    (16, 'harbour', 'TEA-201', 'sencha', 'Sencha 煎茶', 'First flush from Kagoshima, steamed for a long time.', 8,
      '{"origin":["Japan"],"minutes":1.5,"celsius":70}', NULL, 1,
      '2016-04-02 10:00:00', '2024-05-20 09:00:00', 16),
    (17, 'harbour', 'TEA-202', 'gunpowder', 'Gunpowder 珠茶 (no. 3505)', NULL, 8,
      '{"origin":["China"],"minutes":3,"celsius":80}', NULL, 1, '2016-04-02 10:05:00', NULL, 1),
    (18, 'harbour', 'TEA-203', 'jasmine-pearls', 'Jasmine Dragon Pearls 茉莉龙珠', 'Rolled by hand, scented six times.', 8,
      '{"origin":["China"],"minutes":3,"celsius":80,"organic":true}',
      'a9b8c7d6-e5f4-4321-8fed-cba987654318', 1, '2021-10-10 10:10:10', NULL, 2),
    (19, 'harbour', 'TEA-204', 'genmaicha', 'Genmaicha 玄米茶', 'With roasted rice, as it used to be drunk at home.', 8,
      NULL, NULL, 1, '2019-07-07 07:07:07', NULL, 1),
    (20, 'harbour', 'TEA-211', 'assam', 'Assam TGFOP1', 'Malty; takes milk, and needs none.', 9,
      '{"origin":["India"],"minutes":4,"celsius":100}', NULL, 1, '2016-04-02 10:20:00', '2023-06-01 08:08:08', 8),
    (21, 'harbour', 'TEA-212', 'darjeeling-ff', 'Darjeeling First Flush दार्जिलिंग', 'Until it is sold out.', 9,
      '{"origin":["India"],"harvest":2024,"minutes":2.5,"celsius":90}',
      '11111111-2222-4333-8444-555555555521', 1, '2024-04-22 05:00:00', '2024-05-02 05:00:00', 2),
    (22, 'harbour', 'TEA-213', 'earl-grey', 'Earl Grey', 'Oil of bergamot from Calabria, nothing else.', 9,
      '{"origin":["Sri Lanka","Italy"],"minutes":4,"celsius":100}', NULL, 1, '2016-04-02 10:25:00', NULL, 3),
    (23, 'harbour', 'TEA-214', 'lapsang', 'Lapsang Souchong 正山小种', 'Smoked over pine. One loves it or one does not.', 9,
      '{"origin":["China"],"minutes":4}', NULL, 0, '2017-12-01 15:00:00', '2022-12-01 15:00:00', 11),
    (24, 'harbour', 'TEA-221', 'peppermint', 'Pfefferminze', NULL, 10, '{"origin":["Germany"],"organic":true}', NULL, 1,
      '2016-04-02 11:00:00', NULL, 1),
    (25, 'harbour', 'TEA-222', 'nana-mint', 'Nana mint · نعناع', 'Moroccan mint; best with far too much sugar.', 10,
      '{"origin":["Morocco"],"organic":true}', 'feedface-0025-4025-8025-000000000025', 1,
      '2022-05-17 12:34:56', NULL, 1),
    (26, 'harbour', 'TEA-223', 'rooibos', 'Rooibos', 'Red, mild, without caffeine.', 10, NULL, NULL, 1,
      '2016-04-02 11:05:00', '2019-01-15 10:00:00', 2),
    (27, 'harbour', 'TEA-231', 'kyusu', 'Kyusu 急須 0.3 l', 'Tokoname clay, handle on the side.', 11,
      '{"material":"clay","litres":0.3}', NULL, 1, '2018-03-21 08:00:00', NULL, 1),
    (28, 'harbour', 'TEA-232', 'matcha-whisk', 'Chasen 茶筅, 100 prongs', NULL, 11, '{"prongs":100}', NULL, 1,
      '2018-03-21 08:05:00', NULL, 1),
    (29, 'harbour', 'GFT-301', 'voucher', 'Gift voucher', 'By e-mail, at once. Never expires.', 12,
      '{"digital":true,"serial":9007199254740993}', '99999999-0000-4000-8000-000000000029', 1,
      '2020-12-01 00:00:00', '2023-12-01 00:00:00', 4),
    (30, 'harbour', 'GFT-302', 'tasting-box', 'Tasting box: 6 × 60 g', NULL, 12, '{"contains":["COF-001","COF-010","COF-011"]}',
      '99999999-0000-4000-8000-000000000030', 1, '2021-11-20 09:00:00', '2023-11-20 09:00:00', 3),
    (31, 'harbour', 'GFT-303', '0815', 'Postcard “0815”', 'A slug that looks like a number.', NULL, NULL, NULL, 1,
      '2019-08-15 08:15:00', NULL, 1),
    (32, 'harbour', 'GFT-304', 'the-longest-name-that-the-rules-allow-is-sixty-three-characters',
      'The postcard with the longest name', 'Its slug has exactly 63 characters.', NULL, NULL, NULL, 1,
      '2019-08-15 08:20:00', NULL, 1),
    (33, 'outlet', 'OUT-001', 'harbour-espresso', 'Harbour Espresso (best before last month)',
      'The same slug as in the main shop: only the pair (shop, slug) is unique.', 13,
      '{"discount_pct":40}', NULL, 1, '2019-11-05 18:00:00', '2024-05-31 22:00:00', 77),
    (34, 'outlet', 'OUT-002', 'sencha', 'Sencha, last year''s', NULL, 13, NULL,
      '3d6f4a51-1c2b-4d3e-8f90-abcdefabcd34', 1, '2024-01-15 08:00:00', NULL, 1),
    (35, 'outlet', 'OUT-003', 'mug', 'Mug with a chip', 'One of a kind, each of them.', 14, '{"colour":null}', NULL, 1,
      '2020-02-02 02:02:02', NULL, 1),
    (36, 'outlet', 'OUT-004', 'saucer', 'Saucer; its cup broke', NULL, 14, '[]', NULL, 0, '2020-02-02 02:03:00', NULL, 1);

-- One long text: a brewing guide that somebody pasted into a description.
UPDATE products SET description =
    'How to brew a good cup.' || char(10) || char(10) ||
    (SELECT group_concat(step, char(10)) FROM (
        SELECT printf('%d. %s', n, CASE n % 4
            WHEN 1 THEN 'Rinse the paper filter with hot water, so that the coffee does not taste of paper, and pour that water away.'
            WHEN 2 THEN 'Weigh 60 g of coffee for each litre of water and grind it as coarse as kitchen salt.'
            WHEN 3 THEN 'Pour twice its weight of water over the grounds and wait for half a minute — it “blooms”.'
            ELSE 'Pour the rest in circles; after three minutes all should have run through. Too sour: finer. Too bitter: coarser.' END) AS step
        FROM (WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 60) SELECT n FROM c))),
    version = 2
WHERE sku = 'ACC-102';
-- The trigger has just put the time of this load there.
UPDATE products SET version = 2, updated_at = '2020-05-05 12:00:00' WHERE sku = 'ACC-102';

INSERT INTO variants (product_id, code, title, price, compare_at, weight_g, stock, barcode) VALUES
    ( 1, '250g',    '250 g',  8.9,   NULL,  250, 120, '4006381333931'),
    ( 1, '500g',    '500 g',  16.5,  17.8,  500,  64, '4006381333948'),
    ( 1, '1kg',     '1 kg',   29,    35.6, 1000,  40, '4006381333955'),
    ( 2, '250g',    '250 g',  7.9,   NULL,  250,  30, NULL),
    ( 2, '1kg',     '1 kg',   26.9,  31.6, 1000,  12, NULL),
    ( 3, '500g',    '500 g',  13.99, NULL,  500,  25, NULL),
    ( 4, '250g',    '250 g',  12.5,  NULL,  250,  48, '4006381444019'),
    ( 4, '1kg',     '1 kg',   46,    50,   1000,   9, '4006381444026'),
    ( 5, '250g',    '250 g',  10.9,  NULL,  250,  51, NULL),
    ( 5, '1kg',     '1 kg',   39.9,  43.6, 1000,  15, NULL),
    ( 6, '250g',    '250 g',  13.2,  NULL,  250,   0, NULL),
    ( 7, '250g',    '250 g',  11.4,  NULL,  250,  22, NULL),
    ( 8, '100g',    '100 g',  89,    NULL,  100,   0, NULL),
    ( 9, '250g',    '250 g',  9.9,   NULL,  250,  33, NULL),
    ( 9, '500g',    '500 g',  18.9,  19.8,  500,  14, NULL),
    (10, '250g',    '250 g',  10.4,  NULL,  250,  18, NULL),
    (11, 'black',   'black',  129,   149,   780,   6, '4006381555010'),
    (11, 'steel',   'steel',  139,   NULL,  812,   2, '4006381555027'),
    (12, 'white',   'white',  19.95, NULL,  480,  11, NULL),
    (12, 'red',     'red',    21.95, NULL,  480,  -1, NULL),
    (13, 'pack',    '100 filters', 4.5, NULL, 140, 400, '04012345678901'),
    (14, 'default', 'Scale',  49.9,  59.9,  310,   8, NULL),
    (15, 'cups-3',  '3 tazze', 24.9, NULL,  420,  10, NULL),
    (15, 'cups-6',  '6 tazze', 32.9, NULL,  690,   7, NULL),
    (16, '100g',    '100 g',  11,    NULL,  100,  35, NULL),
    (16, '500g',    '500 g',  49.5,  55,    500,   4, NULL),
    (17, '100g',    '100 g',  4.2,   NULL,  100,  80, NULL),
    (18, '50g',     '50 g',   9.8,   NULL,   50,  27, NULL),
    (18, '100g',    '100 g',  18.6,  19.6,  100,  12, NULL),
    (19, '100g',    '100 g',  6.7,   NULL,  100,  44, NULL),
    (20, '250g',    '250 g',  8.75,  NULL,  250,  38, NULL),
    (21, '100g',    '100 g',  17.25, NULL,  100,  20, NULL),
    (22, '100g',    '100 g',  5.6,   NULL,  100,  60, NULL),
    (22, '250g',    '250 g',  12.6,  14,    250,  31, NULL),
    (23, '100g',    '100 g',  7.3,   NULL,  100,   0, NULL),
    (24, '100g',    '100 g',  3.9,   NULL,  100,  90, NULL),
    (25, '100g',    '100 g',  4.4,   NULL,  100,  55, NULL),
    (26, '250g',    '250 g',  6.1,   NULL,  250,  72, NULL),
    (27, 'default', 'Kyusu',  58,    NULL,  540,   3, NULL),
    (28, 'default', 'Chasen', 16.9,  NULL,   30,   9, NULL),
    (29, 'eur-10',  '10 €',   10,    NULL, NULL,   0, NULL),
    (29, 'eur-25',  '25 €',   25,    NULL, NULL,   0, NULL),
    (29, 'eur-100', '100 €',  100,   NULL, NULL,   0, NULL),
    (30, 'default', 'Box',    34.9,  41.4,  520,  16, NULL),
    (31, 'a6',      'A6',     1,     NULL,    5, 250, NULL),
    (32, 'a6',      'A6',     1.5,   NULL,    5, 180, NULL),
    (33, '250g',    '250 g',  5.34,  8.9,   250,  37, NULL),
    (33, '1kg',     '1 kg',   17.4,  29,   1000,   5, NULL),
    (34, '100g',    '100 g',  6.6,   11,    100,  19, NULL),
    (35, 'blue',    'blue',   3,     12,    330,   1, NULL),
    (35, 'white',   'white',  3,     12,    330,   2, NULL),
    (36, 'default', 'Saucer', 0,     4,     150,   1, NULL);

-- The last three rows of product 4 are what a double click leaves behind.
INSERT INTO product_tags (product_id, tag) VALUES
    (1, 'espresso'), (1, 'house blend'), (1, 'bestseller'), (2, 'espresso'), (2, 'strong'),
    (3, 'espresso'), (4, 'single origin'), (4, 'organic'), (5, 'single origin'), (5, 'bestseller'),
    (6, 'single origin'), (7, 'single origin'), (8, 'single origin'), (8, 'limited'),
    (9, 'decaf'), (10, 'decaf'), (11, 'grinder'), (11, 'repairable'), (12, 'brewing'), (13, 'brewing'),
    (14, 'brewing'), (14, 'électronique'), (15, 'brewing'), (16, 'green'), (16, '日本'), (17, 'green'),
    (18, 'green'), (18, 'organic'), (19, 'green'), (19, '日本'), (20, 'black'), (21, 'black'),
    (21, 'first flush'), (22, 'black'), (22, 'flavoured'), (23, 'black'), (23, 'smoky / strong'),
    (24, 'herbal'), (24, 'organic'), (25, 'herbal'), (25, 'organic'), (26, 'herbal'), (27, '日本'),
    (28, '日本'), (29, 'gift'), (30, 'gift'), (30, 'bestseller'), (33, 'reduced'), (34, 'reduced'),
    (35, 'reduced'), (35, 'Reduced'), (4, 'fair trade'), (4, 'fair trade'), (4, 'fair trade');

INSERT INTO collections (id, shop, handle, title, rules, uid, published_at, created_at) VALUES
    (1, 'harbour', 'bestsellers',  'Bestsellers', '{"any":[{"tag":"bestseller"}],"sort":"sold"}', NULL, 1459501200, 1459500000),
    (2, 'harbour', 'for-filter',   'For filter coffee', NULL, NULL, 1478862000, 1478861000),
    (3, 'harbour', 'japan',        'A cup of Japan 🍵', '{"any":[{"tag":"日本"}]}', '0b5c6d7e-8f90-4a1b-8c2d-3e4f5a6b7c03', 1521619200, 1521619100),
    (4, 'harbour', 'christmas-24', 'Christmas 2024', NULL, '0b5c6d7e-8f90-4a1b-8c2d-3e4f5a6b7c04', NULL, 1717200000),
    (5, 'harbour', 'empty',        'Nothing in it yet', NULL, NULL, NULL, 1717200001),
    (6, 'outlet',  'bestsellers',  'What goes first', NULL, NULL, 1573000000, 1572999000);

INSERT INTO collection_products (collection_id, product_id, position) VALUES
    (1, 1, 1), (1, 5, 2), (1, 30, 3), (1, 16, 4),
    (2, 4, 1), (2, 5, 2), (2, 6, 3), (2, 12, 4), (2, 13, 5), (2, 14, 6),
    (3, 27, 1), (3, 16, 2), (3, 19, 3), (3, 28, 4),
    (4, 30, 1), (4, 29, 2), (4, 8, 3), (4, 18, 3),
    (6, 33, 1), (6, 35, 2);

INSERT INTO carts VALUES
    (x'00ff10a7c3', '[{"variant":1,"n":2}]', 1717240000),
    (x'00ff10a7c4', '[]', 1717240100);

COMMIT;
