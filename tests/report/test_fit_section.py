from detplug.report.sections import fit_sections


def test_a_row_for_each_line_escaped():
    (text,) = fit_sections([('sizes', '3 boxes'), ('warning', '1 < 2')])
    assert text.count('<tr>') == 2 and '1 &lt; 2' in text and 'Fit of the boxes' in text


def test_no_section_where_nothing_was_looked_at():
    assert fit_sections([]) == []
