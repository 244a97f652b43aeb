-- $1 product.
select product_cards.card || jsonb_build_object(
           'description', product.description,
           'attributes', product.attributes,
           'options', product.options,
           'pack_sizes', product.pack_sizes,
           -- What there is of the product itself, not counting its variants.
           'available_itself', (select coalesce(sum(quantity - reserved), 0)
                                  from inventory where product_id = product.id and variant_id is null),
           'variants', (select coalesce(jsonb_agg(variant.card order by variant.id), '[]')
                          from (select id, jsonb_build_object(
                                           'id', id, 'name', name, 'sku', sku,
                                           'price', coalesce(product_variants.price, product.price),
                                           'pays', round(coalesce(product_variants.price, product.price)
                                                         * (100 - product_cards.discount) / 100, 2),
                                           'available', (select coalesce(sum(quantity - reserved), 0)
                                                           from inventory where variant_id = product_variants.id)) as card
                                  from product_variants
                                 where product_id = product.id) as variant),
           'sales', (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'discount_percent', discount_percent,
                                                                  'starts_at', starts_at, 'ends_at', ends_at)
                                               order by starts_at, id), '[]')
                       from sales
                      where product_id = product.id
                        and (ends_at is null or ends_at > statement_timestamp())))
  from products as product
  join product_cards on product_cards.id = product.id
 where product.id = $1::bigint
