{# All-to-all or one-to-one synapses, made by counting instead of by trying every pair.
   The index arrays are kept, so that weights can be read and recorded as usual. #}
{# USES_VARIABLES { _synaptic_pre, _synaptic_post, N_incoming, N_outgoing, N,
                    N_pre, N_post, _source_offset, _target_offset } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _synaptic_pre, _synaptic_post,
                                   N_incoming, N_outgoing, N } #}
{% extends 'common_synapses.cpp' %}

{% block maincode %}
    const size_t _n_sources = {{constant_or_scalar('N_pre', variables['N_pre'])}};
    const size_t _n_targets = {{constant_or_scalar('N_post', variables['N_post'])}};
    const size_t _n_synapses = {{'_n_sources' if one_to_one else '_n_sources*_n_targets'}};
    {{_dynamic_N_incoming}}.assign(_n_targets + _target_offset, 0);
    {{_dynamic_N_outgoing}}.assign(_n_sources + _source_offset, 0);
    {{_dynamic__synaptic_pre}}.resize(_n_synapses);
    {{_dynamic__synaptic_post}}.resize(_n_synapses);
    for (size_t _source=0; _source<_n_sources; _source++)
    {
        {% if one_to_one %}
        {{_dynamic__synaptic_pre}}[_source] = _source + _source_offset;
        {{_dynamic__synaptic_post}}[_source] = _source + _target_offset;
        {{_dynamic_N_outgoing}}[_source + _source_offset] = 1;
        {{_dynamic_N_incoming}}[_source + _target_offset] = 1;
        {% else %}
        int32_t* const _pre = &{{_dynamic__synaptic_pre}}[_source*_n_targets];
        int32_t* const _post = &{{_dynamic__synaptic_post}}[_source*_n_targets];
        for (size_t _target=0; _target<_n_targets; _target++)
        {
            _pre[_target] = _source + _source_offset;
            _post[_target] = _target + _target_offset;
        }
        {{_dynamic_N_outgoing}}[_source + _source_offset] = _n_targets;
        {% endif %}
    }
    {% if not one_to_one %}
    for (size_t _target=0; _target<_n_targets; _target++)
        {{_dynamic_N_incoming}}[_target + _target_offset] = _n_sources;
    {% endif %}

    {% for varname in owner._registered_variables | variables_to_array_names(access_data=False) | sort %}
    {{varname}}.resize(_n_synapses);
    {% endfor %}
    {{N}} = _n_synapses;
{% endblock %}
