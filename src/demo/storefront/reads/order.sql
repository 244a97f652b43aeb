-- $1 order.
select card || jsonb_build_object('items', (
           select coalesce(jsonb_agg(jsonb_build_object(
                      'product_id', item.product_id, 'name', product.name, 'variant', variant.name,
                      'quantity', item.quantity, 'price', item.price) order by item.id), '[]')
             from order_items as item
             left join products as product on product.id = item.product_id
             left join product_variants as variant on variant.id = item.variant_id
            where item.order_id = order_cards.id))
  from order_cards
 where id = $1::bigint
