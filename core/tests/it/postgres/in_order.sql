-- What is wrong with the tables of the schema {0}, and how often, while nobody is at work in it.
WITH wrong (what, count) AS (
    SELECT 'rows of ready that are no ready ticket''s', count(*)
    FROM {0}.ready AS r LEFT JOIN {0}.tickets AS t USING (seq, move)
    WHERE t.place IS DISTINCT FROM 1
        OR (r.tube, r.kind, r.nice, r.runat) IS DISTINCT FROM (t.tube, t.kind, t.nice, t.runat)
    UNION ALL
    SELECT 'ready tickets without a row of ready', count(*)
    FROM {0}.tickets AS t LEFT JOIN {0}.ready AS r USING (seq, move)
    WHERE t.place = 1 AND r.seq IS NULL
    UNION ALL
    SELECT 'rows of delays that are no delayed ticket''s', count(*)
    FROM {0}.delays AS d LEFT JOIN {0}.tickets AS t USING (seq, move)
    WHERE t.place IS DISTINCT FROM 2 OR (d.tube, d.due) IS DISTINCT FROM (t.tube, t.runat)
    UNION ALL
    SELECT 'delayed tickets without a row of delays', count(*)
    FROM {0}.tickets AS t LEFT JOIN {0}.delays AS d USING (seq, move)
    WHERE t.place = 2 AND d.seq IS NULL
    UNION ALL
    SELECT 'claimed tickets that are not under one lease', count(*)
    FROM {0}.tickets AS t
    WHERE t.place = 3 AND 1 <> (
        SELECT count(*) FROM {0}.leases AS l
        WHERE l.tube = t.tube AND l.until = t.lease_until AND l.lease = t.lease
            AND t.seq = ANY (l.seqs))
    UNION ALL
    SELECT 'leases that count fewer than they have', count(*)
    FROM {0}.leases AS l
    WHERE l.open < (
        SELECT count(*) FROM {0}.tickets AS t
        WHERE t.place = 3 AND t.tube = l.tube AND t.lease_until = l.until AND t.lease = l.lease)
    UNION ALL
    SELECT 'tickets of which the status and the place do not agree', count(*)
    FROM {0}.tickets WHERE (status = 0) <> (place > 0)
    UNION ALL
    SELECT 'counts that are not right', count(*)
    FROM (
        SELECT sum(pending) AS pending, sum(done) AS done, sum(failed) AS failed,
            sum(cancelled) AS cancelled FROM {0}.tallies) AS counted,
        (SELECT count(*) FILTER (WHERE status = 0) AS pending,
            count(*) FILTER (WHERE status = 1) AS done, count(*) FILTER (WHERE status = 2) AS failed,
            count(*) FILTER (WHERE status = 3) AS cancelled FROM {0}.tickets) AS found
    WHERE (coalesce(counted.pending, 0), coalesce(counted.done, 0), coalesce(counted.failed, 0),
        coalesce(counted.cancelled, 0))
        <> (found.pending, found.done, found.failed, found.cancelled)
)
SELECT what, count FROM wrong WHERE count > 0
