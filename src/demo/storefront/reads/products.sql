-- $1 seller, $2 category, $3 words of the name, $4 page, $5 size of a page.
with found as (
    select id
      from products
     where status = 'active'
       and ($1::bigint is null or seller_id = $1::bigint)
       and ($2::bigint is null or category_id = $2::bigint)
       and ($3::text is null or strpos(lower(name), lower($3::text)) > 0)
), page as (
    select id from found order by id offset ($4::bigint - 1) * $5::bigint limit $5::bigint
)
select jsonb_build_object(
    'items', (select coalesce(jsonb_agg(card order by id), '[]') from product_cards join page using (id)),
    'total', count(*),
    'page', $4::bigint,
    'pages', ceil(count(*)::numeric / $5::bigint))
  from found
