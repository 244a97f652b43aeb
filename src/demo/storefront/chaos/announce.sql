-- $1 the text.
insert into pgbell.change (entity, id, op, events, rooms, new)
select 'announcement', 1 + floor(extract(epoch from clock_timestamp()) * 1000)::bigint, 'insert',
       '{announcement:posted}', '{buyers}', jsonb_build_object('text', $1)
