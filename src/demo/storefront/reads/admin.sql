select jsonb_build_object(
    'orders', (select coalesce(jsonb_agg(card order by id desc), '[]')
                 from (select id, card from order_cards order by id desc limit 20) as newest),
    'low', (select coalesce(jsonb_agg(card order by available, product_id), '[]')
              from (select available, product_id, card from low_stock order by available, product_id limit 20) as lowest),
    'metrics', (select jsonb_build_object(
                           'orders', count(*),
                           'revenue', coalesce(sum(total) filter (where payment_status = 'paid'), 0),
                           'orders_today', count(*) filter (where created_at >= date_trunc('day', statement_timestamp())),
                           'customers', (select count(*) from users),
                           'products', (select count(*) from products where status = 'active'))
                  from orders))
