-- $1 ids, in the order in which they are wanted. Those that are gone are left out.
select jsonb_build_object('items', coalesce(jsonb_agg(card order by place), '[]'))
  from unnest(string_to_array($1, ',')::bigint[]) with ordinality as wanted (id, place)
  join product_cards using (id)
