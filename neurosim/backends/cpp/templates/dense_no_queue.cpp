{# A dense pathway reads its events directly: there is nothing to queue. #}
{% extends 'common_group.cpp' %}
{% block maincode %}
{% endblock %}
