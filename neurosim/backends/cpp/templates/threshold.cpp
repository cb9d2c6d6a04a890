{# Decide an event for all cells at once, then collect those that have it.

   The condition of every cell goes into a byte; that loop has no branches and
   vectorises. Events are rare, so the collecting loop skips eight cells at a time.
   Refractory groups note the time of the event, as in Brian2. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include <cstring>
#include <vector>
{% endblock %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    // scalar code
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    const size_t _padded = (N + 7) / 8 * 8;
    static std::vector<char> _decided(_padded, 0);
    char* __restrict _flags = _decided.data();
    for (size_t _idx=0; _idx<N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _flags[_idx] = _cond;
    }

    int32_t _count = 0;
    for (size_t _block=0; _block<_padded; _block+=8)
    {
        uint64_t _any;
        std::memcpy(&_any, _flags + _block, 8);
        if (_any == 0)
            continue;
        for (size_t _idx=_block; _idx<_block+8; _idx++)
        {
            if (!_flags[_idx])
                continue;
            {{_eventspace}}[_count++] = _idx;
            {% if _uses_refractory %}
            {{not_refractory}}[_idx] = false;
            {{lastspike}}[_idx] = {{t}};
            {% endif %}
        }
    }
    {{_eventspace}}[N] = _count;
{% endblock %}

{% block after_code %}
{% set _eventspace = get_array_name(eventspace_variable) %}
{{_eventspace}}[N] = 0;
{% endblock %}
