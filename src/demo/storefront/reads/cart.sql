-- $1 user. What is off the shelf stays in the cart, and does not count in its total.
select jsonb_build_object(
           'items', coalesce(jsonb_agg(line.card order by line.id) filter (where line.id is not null), '[]'),
           'total', coalesce(sum(line.total), 0))
  from users
  left join lateral (
    select item.id,
           case when product.status = 'active' then item.quantity * price.pays end as total,
           jsonb_build_object(
               'id', item.id,
               'product_id', item.product_id,
               'variant_id', item.variant_id,
               'variant', variant.name,
               'name', product.name,
               'quantity', item.quantity,
               'price', price.list,
               'pays', price.pays,
               'available', (select coalesce(sum(inventory.quantity - reserved), 0)
                               from inventory
                              where inventory.product_id = item.product_id
                                and inventory.variant_id is not distinct from item.variant_id),
               'status', product.status,
               'sale', product.sale,
               'seller_id', product.seller_id,
               'image_hue', product.image_hue) as card
      from carts
      join cart_items as item on item.cart_id = carts.id
      join product_cards as product on product.id = item.product_id
      left join product_variants as variant on variant.id = item.variant_id
     cross join lateral (
        select coalesce(variant.price, product.price),
               round(coalesce(variant.price, product.price) * (100 - product.discount) / 100, 2)
     ) as price (list, pays)
     where carts.user_id = users.id
 ) as line on true
 where users.id = $1::bigint
 group by users.id
