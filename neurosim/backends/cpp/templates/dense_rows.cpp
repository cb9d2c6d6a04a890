{# Pathways whose synapse indices can be computed: no index arrays, no spike queue.

   All to all: an event of source i owns the contiguous row i; an event of target j the
   column j, one synapse per row. One to one: the synapse of cell i is number i. #}
{% extends 'common_synapses.cpp' %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {% set _synapses = pathway.synapses %}
    const size_t _n_sources = {{_synapses.source.variables['N'].get_value()}};
    const size_t _n_targets = {{_synapses.target.variables['N'].get_value()}};
    const int32_t _num_events = {{_eventspace}}[{{'_n_sources' if pathway.prepost == 'pre' else '_n_targets'}}];
    if (_num_events == 0)
        return;

    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    for (int32_t _event=0; _event<_num_events; _event++)
    {
        const size_t _cell = {{_eventspace}}[_event];
        {% if one_to_one %}
        const size_t _presynaptic_idx = _cell;
        const size_t _postsynaptic_idx = _cell;
        const size_t _idx = _cell;
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        {% elif pathway.prepost == 'pre' %}
        const size_t _presynaptic_idx = _cell;
        for (size_t _postsynaptic_idx=0; _postsynaptic_idx<_n_targets; _postsynaptic_idx++)
        {
            const size_t _idx = _presynaptic_idx*_n_targets + _postsynaptic_idx;
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
        {% else %}
        const size_t _postsynaptic_idx = _cell;
        for (size_t _presynaptic_idx=0; _presynaptic_idx<_n_sources; _presynaptic_idx++)
        {
            const size_t _idx = _presynaptic_idx*_n_targets + _postsynaptic_idx;
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
        {% endif %}
    }
{% endblock %}
