-- $1 seller.
select jsonb_build_object(
    'seller', jsonb_build_object('id', seller.id, 'name', seller.name, 'store_id', seller.store_id, 'store', store.name),
    'totals', (select jsonb_build_object(
                          'orders', count(*),
                          'open', count(*) filter (where status in ('pending', 'processing')),
                          'revenue', coalesce(sum(total) filter (where payment_status = 'paid'), 0),
                          'today', count(*) filter (where created_at >= date_trunc('day', statement_timestamp())))
                 from orders
                where seller_id = seller.id),
    'orders', (select coalesce(jsonb_agg(card order by id desc), '[]')
                 from (select id, card from order_cards where seller_id = seller.id order by id desc limit 10) as newest),
    'low', (select coalesce(jsonb_agg(card order by available, product_id), '[]')
              from (select available, product_id, card from low_stock where seller_id = seller.id
                     order by available, product_id limit 20) as lowest))
  from sellers as seller
  left join stores as store on store.id = seller.store_id
 where seller.id = $1::bigint
