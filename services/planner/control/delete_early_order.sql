-- An order that was early is so no more. $1 order_id uuid
DELETE FROM early_orders WHERE order_id = $1
