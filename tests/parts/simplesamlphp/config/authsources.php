<?php
$settings = json_decode(file_get_contents(getenv('IDP_FOLDER') . '/settings.json'), true);
$config = ['admin' => ['core:AdminPassword'], 'people' => ['exampleauth:UserPass']];
foreach ($settings['users'] as $name => $attributes) {
    $config['people']["$name:$name"] = $attributes + ['uid' => [$name]];
}
